"""How much memory a run will need, before it starts: weights counted from the file's headers, the rest from the networks' shapes.

The largest tensors of a U-Net and of a VAE decoder grow with channels times pixels, so each phase is a shape times a factor;
the factors were measured (``python -m benchmarks.memory`` measures them again and prints both). Attention is of the
memory-efficient kind, or in slices where torch has only the other,
unless the plan names another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.plan.hardware.facts import Hardware
from engine.requests import ExecutionPlan
from engine.requests.resolved import MOST_SCORES, T5_OUT

MIB, GIB = 2**20, 2**30

BYTES: dict[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "float8_e4m3fn": 1, "int8": 1}
"""Bytes of one number."""

TRANSFORMER_TENSORS = 14.0
"""Tensors of a token's width that live at the same time in a block of a transformer, for each token of image and prompt."""

PROMPT_TOKENS = 77 + 256
"""Tokens of a prompt beside those of the image: one run of CLIP's text encoders, and T5's."""

SCORES = 2
"""Matrices of attention scores that plain attention holds: the products, and their softmax."""

DECODER_TENSORS = 3.3
"""Full-size tensors of the decoder's widest full-resolution layer that live at the same time. Measured 3.1 to 3.5."""

TENSORS_BESIDE_WORKSPACE = 2.5
"""The same while a convolution has its workspace: its input, that of the block around it, and its output of half as many."""

TILES = 2.0
"""How much more tiles need than one image of their size, because of fragmentation."""

CONVOLUTION_WORKSPACE = 6.1
"""Workspace that cuDNN and MIOpen take for a convolution, in tensors of the size of its input. With it a decoder needs 2,200
numbers a pixel, which is what ComfyUI reserves by its measurements, instead of the 845 of its tensors. The processor's
convolutions do without."""

SCRATCH_LAYERS = 2
"""Copies of the largest layer's weights that the libraries make to work on it. Measured 1.6 to 2.6, beside the fixed part."""

SCRATCH_ON_CPU, SCRATCH_ON_DEVICE = 48 * MIB, 128 * MIB
"""The fixed part of the libraries' own scratch memory."""

ATTENTION_HEADS = 10
"""Heads of the attention with the most tokens: 8 in Stable Diffusion 1, 5 in 2, 10 in XL."""

DENOISERS = ("unet", "transformer")
"""Names of the network that denoises; a checkpoint has one of them."""

COMPILED = ("unet", "transformer", "vae")
"""Components that OpenVINO compiles; of a refiner, the UNet alone."""

SMALL_NETWORK = 25_000_000
"""Parameters up to which torch's copy of the weights stays in RAM beside OpenVINO's. That of others moves into a file."""

COMPILED_BYTES = 8
"""Bytes a parameter of a small network that OpenVINO takes beside torch's weights."""

COMPILED_FIXED, COMPILED_SHARE = 64 * MIB, 0.05
"""What OpenVINO takes beside its copy of a large network's weights, which takes the place of torch's: so much, and so many times
their size. Measured 70 to 100 MB for networks of 0.3 and 0.8 GB."""

PAGE_LOCKED = 1.3
"""RAM of weights that wait page-locked, so that they are copied while the device computes, in times their size: torch gives each
tensor a power of two."""

RAM_RESERVE = 512 * MIB
"""RAM reserved for the page and other programs."""

MARGIN = 0.95
"""Share of the free device memory that is planned with: the allocator cannot use all of it."""


CONTROL = "control "
"""What the names of control networks begin with in a :class:`Work`. They lie and compute as the denoiser does."""

REFINER = "refiner "
"""What the names of a refiner's components begin with in a :class:`Work`."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The shape of a checkpoint's networks: what the size of their tensors follows from. The defaults are Stable Diffusion 1's.

    ``scale``: pixels a latent stands for along one side. ``transformer_width``: numbers of a token in a transformer that denoises
    in patches of 2 x 2 latents; 0 for a UNet. ``unet_attention``: which levels have cross-attention.
    """

    scale: int = 8
    transformer_width: int = 0
    unet_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    unet_attention: tuple[bool, ...] = (True, True, True, False)
    unet_blocks: int = 2
    decoder_channels: tuple[int, ...] = (128, 256, 512, 512)

    @classmethod
    def of(cls, denoiser: Mapping[str, Any], vae: Mapping[str, Any]) -> Layout:
        """The layout that the ``config.json`` of a UNet2DConditionModel or SD3Transformer2DModel, and of an AutoencoderKL (or
        Tiny) describe."""
        decoder = vae.get("decoder_block_out_channels") or vae.get("block_out_channels") or cls.decoder_channels
        down = denoiser.get("down_block_types", ())
        blocks = denoiser.get("layers_per_block", 2)
        return cls(
            scale=2 ** (len(decoder) - 1),
            transformer_width=denoiser.get("caption_projection_dim", 0) if "joint_attention_dim" in denoiser else 0,
            unet_channels=tuple(denoiser.get("block_out_channels", cls.unet_channels)),
            unet_attention=tuple("Attn" in kind for kind in down) or cls.unet_attention,
            unet_blocks=blocks if isinstance(blocks, int) else max(blocks),
            decoder_channels=tuple(decoder),
        )


@dataclass(frozen=True, kw_only=True)
class Work:
    """The work of a run. ``parameters`` counts those of each component, from the file's headers; the components of a refiner
    have names that begin with :data:`REFINER`. ``packed``: component -> bytes of weights that stay as a GGUF file packs them, and
    are not among its ``parameters``.

    ``width`` and ``height`` are pixels of the result, ``batch`` images at once. For each image the U-Net's batch has a row for
    each of the ``parts`` of the prompt, and one more if it is ``guided``.
    ``decoder_context``: pixels that the decoder sees on top of both, where the caller has it work on overlapping tiles.
    ``tile``: side in pixels of the tiles in which the larger of two passes can be repainted, 0 for a run of one pass.
    """

    parameters: Mapping[str, int]
    width: int
    height: int
    batch: int = 1
    guided: bool = True
    parts: int = 1
    decoder_context: int = 0
    layout: Layout = field(default_factory=Layout)
    packed: Mapping[str, int] = field(default_factory=dict[str, int])
    tile: int = 0

    @property
    def is_controlled(self) -> bool:
        """Whether control networks run beside the denoiser."""
        return any(component.startswith(CONTROL) for component in self.parameters)

    @property
    def is_refined(self) -> bool:
        """Whether a refiner takes over for the last steps."""
        return any(component.startswith(REFINER) for component in self.parameters)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Peak bytes of a run, beyond those of the program itself.

    ``peak_device`` is 0 on the CPU, where everything is RAM, and ``peak_ram`` on a device that shares it. ``phases`` maps
    ``"encode"``, ``"denoise"`` and ``"decode"`` to what is held then; ``weights`` maps components to what they take.
    """

    peak_device: int
    peak_ram: int
    phases: Mapping[str, int]
    weights: Mapping[str, int]

    @property
    def worst(self) -> str:
        """The phase that needs the most memory."""
        return max(self.phases, key=lambda phase: self.phases[phase])


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Bytes that a run may use; None if unknown, and then no run is refused beforehand."""

    device: int | None = None
    ram: int | None = None
    together: bool = False

    def holds(self, prediction: Prediction) -> bool:
        """Whether the run fits. ``together``: the device's memory is taken from the RAM."""
        ram = prediction.peak_ram + (prediction.peak_device if self.together else 0)
        return (self.device is None or prediction.peak_device <= self.device) and (self.ram is None or ram <= self.ram)


def predict(work: Work, plan: ExecutionPlan) -> Prediction:
    """Peak memory of ``work`` under ``plan``, within about 15 % of what is measured."""
    kind = plan.device.partition(":")[0]
    left_out = ("text_encoder_3",) if T5_OUT in plan.measures else ()
    weights = {c: _weights(c, count, plan) + work.packed.get(c, 0) for c, count in work.parameters.items() if c not in left_out}
    batch = min(work.batch, plan.batch_limit or work.batch)
    fixed = SCRATCH_ON_CPU if kind == "cpu" else SCRATCH_ON_DEVICE
    working = {
        "encode": 0,
        "denoise": _denoiser_bytes(work, plan, batch),
        "decode": _decoder_bytes(work, plan, 1 if plan.vae_tile else batch),
    }
    copies = sum(_compiled_bytes(c, n, plan) for c, n in work.parameters.items()) if plan.compiler == "openvino" else 0
    phases = {p: sum(weights[c] for c in _resident(p, weights, plan)) + extra + fixed + copies for p, extra in working.items()}
    peak = max(phases.values())
    if kind == "cpu":
        return Prediction(peak_device=0, peak_ram=peak, phases=phases, weights=weights)
    if not plan.has_own_memory:
        return Prediction(peak_device=peak, peak_ram=0, phases=phases, weights=weights)
    return Prediction(peak_device=peak, peak_ram=_ram_beside(weights, plan), phases=phases, weights=weights)


def find_budget(hardware: Hardware, held: int = 0) -> Budget:
    """What a run may use on ``hardware.device``, by what was free when it was asked (``hardware.refresh`` asks again).

    ``held``: bytes on the device that the run will reuse or that can be given back first, such as cached checkpoints.
    """
    on_cpu, free = hardware.device.kind == "cpu", hardware.device.free_bytes
    shared = held if hardware.device.shares_ram else 0
    ram = None if hardware.ram_available is None else max(0, hardware.ram_available + shared - RAM_RESERVE)
    if on_cpu or free is None:
        return Budget(ram=ram)
    return Budget(device=int((free + held) * MARGIN), ram=ram, together=hardware.device.shares_ram)


def find_cache_budget(hardware: Hardware) -> int:
    """Bytes of weights that may stay loaded between requests, with room left to work in."""
    free = hardware.ram_available if hardware.device.kind == "cpu" else hardware.device.free_bytes
    return int((4 * GIB if free is None else free) * 0.6)


def format_bytes(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / GIB:.1f} GB" if count >= GIB else f"{max(1, round(count / MIB))} MB"


def _weights(component: str, count: int, plan: ExecutionPlan) -> int:
    role = _role(component)
    return count * BYTES[plan.storage.get(role, plan.dtype(role))]


def _compiled_bytes(component: str, count: int, plan: ExecutionPlan) -> int:
    """What a component takes beside its weights where OpenVINO computes it."""
    if component not in (*COMPILED, f"{REFINER}unet"):
        return 0
    return (
        count * COMPILED_BYTES
        if count <= SMALL_NETWORK
        else COMPILED_FIXED + int(COMPILED_SHARE * _weights(component, count, plan))
    )


def _role(component: str) -> str:
    """The component that it lies and computes as."""
    return DENOISERS[0] if component.startswith(CONTROL) else component.removeprefix(REFINER)


def _resident(phase: str, components: Mapping[str, int], plan: ExecutionPlan) -> Sequence[str]:
    """Components whose weights are on the device in a phase."""
    away: tuple[str, ...] = ()
    if "text_encoders_out" in plan.measures:
        away = DENOISERS if phase == "encode" else ("text_encoder",)  # the decoder makes way only where it must
    if "unet_offload" in plan.measures:
        away += DENOISERS
    # Control networks wait with a denoiser whose layers come one by one, but make way for no text encoder.
    stay = () if "unet_offload" in plan.measures else (CONTROL,)
    resident = [c for c in components if c.startswith(stay) or not _role(c).startswith(away)] if away else list(components)
    if phase == "encode" and "text_encoders_out" in plan.measures:
        encoders = [c for c in resident if _role(c).startswith("text_encoder")]
        # Those of a refiner come when the others have left.
        sets = [c for c in encoders if c.startswith(REFINER)], [c for c in encoders if not c.startswith(REFINER)]
        lighter = min(sets, key=lambda names: sum(components[c] for c in names))
        resident = [c for c in resident if c not in lighter]
    if "experts_in_turn" in plan.measures:
        experts = [c for c in resident if _role(c) == "unet" and not c.startswith(CONTROL)]
        experts.sort(key=lambda c: components[c])
        resident = [c for c in resident if c not in experts[:-1]]
    return resident


def _denoiser_bytes(work: Work, plan: ExecutionPlan, batch: int) -> int:
    """Its tensors, and the weights of the running layer: copied, widened, or if they are offloaded loaded with the next one's."""
    layout, width = work.layout, work.layout.transformer_width
    latents = _count_latents(work, plan)
    rows = batch * (work.parts + work.guided)
    unet = count_unet_numbers(layout, _workspace(plan)) + (_count_skips(layout) if work.is_controlled else 0)
    numbers = TRANSFORMER_TENSORS * width * (latents / 4 + PROMPT_TOKENS) if width else unet * latents
    tensors = numbers * rows + _count_scores(plan, rows * ATTENTION_HEADS * latents**2)
    widened = plan.denoiser in plan.storage or work.packed.get(plan.denoiser, 0) > 0
    copies = _scratch_layers(plan) + 2 * ("unet_offload" in plan.measures) + widened
    largest_layer = 9 * width**2 if width else 9 * 2 * layout.unet_channels[-1] ** 2
    return int(tensors + _count_plain_scores(work, plan, rows) + copies * largest_layer) * BYTES[plan.dtype(plan.denoiser)]


def _count_latents(work: Work, plan: ExecutionPlan) -> int:
    """Latents that the denoiser sees at once, in rows and columns together."""
    most = work.tile if plan.repaint_tiles and work.tile else max(work.width, work.height)
    return (min(work.width, most) // work.layout.scale) * (min(work.height, most) // work.layout.scale)


def _count_plain_scores(work: Work, plan: ExecutionPlan, rows: int) -> int:
    """Scores that the attention backend of the plan holds at once in the denoiser's widest attention; 0 for torch's own."""
    layout, width = work.layout, work.layout.transformer_width
    latents = _count_latents(work, plan)
    level = next((i for i, attends in enumerate(layout.unet_attention) if attends), 0)
    tokens, channels = (latents // 4 + PROMPT_TOKENS, width) if width else (latents // 4**level, layout.unet_channels[level])
    kinds = {"math": rows * max(8, channels // 64), "sliced": rows * width // 64 if width else 1}
    return SCORES * kinds.get(plan.attention_backend, 0) * tokens**2


def _workspace(plan: ExecutionPlan) -> float:
    """The workspace of a convolution on the plan's device, in tensors of the size of its input."""
    return CONVOLUTION_WORKSPACE if plan.device.startswith("cuda") else 0.0


def _scratch_layers(plan: ExecutionPlan) -> int:
    """Copies of the largest layer's weights that the libraries make; where they take workspaces, those are counted instead."""
    return 0 if _workspace(plan) else SCRATCH_LAYERS


def _count_scores(plan: ExecutionPlan, scores: int) -> int:
    """Scores that attention holds at once, before and after the softmax, where it is computed in slices."""
    return 2 * min(scores, plan.attention_scores) if plan.attention_scores < MOST_SCORES else 0


def count_unet_numbers(layout: Layout, workspace: float = 0.0) -> float:
    """Numbers alive at the U-Net's highest point, per latent pixel: the skip connections and the widest layer in work.
    ``workspace`` is that of a convolution, in tensors of the size of its input."""
    channels = layout.unet_channels
    wider = [*channels[1:], channels[-1]]
    in_work = [
        max(4 * (c + up), (2 + workspace) * (c + up) + c, 14 * c if attends else 0) / 4**i
        for i, (c, up, attends) in enumerate(zip(channels, wider, layout.unet_attention, strict=False))
    ]
    return _count_skips(layout) + max(in_work)


def _count_skips(layout: Layout) -> float:
    """Numbers of the U-Net's skip connections, per latent pixel; controls add as many."""
    channels, last = layout.unet_channels, len(layout.unet_channels) - 1
    return channels[0] + sum(
        layout.unet_blocks * c / 4**i + (c / 4 ** (i + 1) if i < last else 0) for i, c in enumerate(channels)
    )


def _decoder_bytes(work: Work, plan: ExecutionPlan, batch: int) -> int:
    sides = work.width + work.decoder_context, work.height + work.decoder_context
    width, height = (min(side, plan.vae_tile or side) for side in sides)
    channels = work.layout.decoder_channels
    widest = max(c / 4 ** max(0, i - 1) for i, c in enumerate(channels))
    tiled = 0 < plan.vae_tile < max(sides)
    alive = max(DECODER_TENSORS * (TILES if tiled else 1), TENSORS_BESIDE_WORKSPACE + _workspace(plan))
    tensors = alive * widest * width * height * batch
    if plan.attention_backend:
        tensors += SCORES * (width * height // work.layout.scale**2) ** 2
    largest_layer = 9 * channels[-1] ** 2
    image = 3 * 4 * work.width * work.height * work.batch
    return int(tensors + _scratch_layers(plan) * largest_layer) * BYTES[plan.dtype("vae")] + image


def _ram_beside(weights: Mapping[str, int], plan: ExecutionPlan) -> int:
    """RAM while the device computes: offloaded weights, or the largest component being moved to the device."""
    locked = PAGE_LOCKED if "unet_offload" in plan.measures else 1.0
    kept = sum(
        int(size * (locked if _role(component) in DENOISERS else 1.0))
        for component, size in weights.items()
        if plan.waits_in_ram(_role(component))
    )
    return max(kept, max(weights.values(), default=0))
