"""Requests with no field left open, and how they run on a machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic

from typing_extensions import TypeVar

from engine.requests.kinds import (
    GENERATION_KINDS,
    CompareNegative,
    DescribeImage,
    GenerationRequest,
    ImageToImage,
    Request,
    StudyNegative,
    TextToImage,
    Upscale,
    kind_of,
)
from engine.seeds import MAX_SEED


@dataclass(frozen=True, kw_only=True)
class ResolvedGeneration(GenerationRequest):
    """One image to generate, fully decided; ``count`` is 1. ``clip_skip`` of 0 means the last layer."""

    checkpoint: str = field()  # field() removes the default of the asked request
    width: int = field()
    height: int = field()
    steps: int = field()
    guidance_scale: float = field()
    scheduler: str = field()
    schedule: str = "Default"
    guidance_rescale: float = 0.0
    seed: int = field()
    clip_skip: int = field()
    hires: bool = False

    def __post_init__(self) -> None:
        _check_seed(self.seed)
        _close_prompts(self)


@dataclass(frozen=True, kw_only=True)
class ResolvedTextToImage(ResolvedGeneration, TextToImage):
    """One image from a prompt alone."""


@dataclass(frozen=True, kw_only=True)
class ResolvedImageToImage(ResolvedGeneration, ImageToImage):
    """One image from an input image and a prompt."""


@dataclass(frozen=True, kw_only=True)
class ResolvedCompareNegative(ResolvedGeneration, CompareNegative):
    """One image with its negative prompt; the one without it is decided alike."""


@dataclass(frozen=True, kw_only=True)
class ResolvedStudyNegative(ResolvedGeneration, StudyNegative):
    """One image of a study, in which the terms at ``silenced`` were silent."""


@dataclass(frozen=True, kw_only=True)
class ResolvedUpscale(Upscale):
    """One image to upscale to ``width`` x ``height`` pixels. ``tile`` is the side in use.

    ``steps`` of 0 is an upscaler that does not sample; ``guidance_scale``, ``scheduler``, ``schedule`` and ``clip_skip`` then
    have no meaning.
    """

    upscaler: str = field()
    width: int
    height: int
    seed: int = field()
    steps: int = 0
    guidance_scale: float = 0.0
    scheduler: str = ""
    schedule: str = ""
    clip_skip: int = 0

    def __post_init__(self) -> None:
        _check_seed(self.seed)
        _close_prompts(self)


@dataclass(frozen=True, kw_only=True)
class ResolvedDescribeImage(DescribeImage):
    """One image to describe by the captioner that is named."""

    captioner: str = field()
    seed: int = 0

    def __post_init__(self) -> None:
        _close_prompts(self)


def _close_prompts(request: Request) -> None:
    """The prompts of a resolved request are never drawn again."""
    for name in ("prompt_template", "negative_template"):
        object.__setattr__(request, name, vars(request)[name] or "")


def _check_seed(seed: int) -> None:
    """A resolved request leaves no seed open. Raises ValueError."""
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"the seed {seed} is not from 0 to {MAX_SEED}")


_GENERATION_KINDS: Mapping[str, type[ResolvedGeneration]] = {
    "text_to_image": ResolvedTextToImage,
    "image_to_image": ResolvedImageToImage,
    "compare_negative": ResolvedCompareNegative,
    "study_negative": ResolvedStudyNegative,
}

RESOLVED_KINDS: Mapping[str, type[ResolvedGeneration | ResolvedUpscale | ResolvedDescribeImage]] = {
    **_GENERATION_KINDS,
    "upscale": ResolvedUpscale,
    "describe": ResolvedDescribeImage,
}
"""The resolved type of each of :data:`engine.requests.kinds.KINDS`."""


WAITING: Mapping[str, tuple[str, ...]] = {
    "text_encoders_out": ("text_encoder",), "experts_in_turn": ("unet",), "unet_offload": ("unet", "transformer"),
}  # fmt: skip
"""Memory measure -> the beginning of the names of the components that stay in RAM and come to the device only while they run."""

T5_OUT = "text_encoder_3_out"
"""The measure that leaves T5 out of a checkpoint of Stable Diffusion 3."""


MOST_SCORES = 2**31 - 1
"""Attention with more scores (rows x heads x queries x keys) than a 32-bit index counts is silently wrong on several devices."""

SHARED_MEMORY = frozenset({"cpu", "mps"})
"""Torch devices whose memory is the computer's RAM."""


@dataclass(frozen=True, kw_only=True)
class ExecutionPlan:
    """How a checkpoint runs on this machine: the decision, not the facts.

    ``device`` is a torch device string. ``dtypes`` maps a component (``"unet"``, ``"vae"``, ``"text_encoder"``,
    ``"text_encoder_2"``) to ``"float32"``, ``"bfloat16"`` or ``"float16"``. ``reasons`` says why, a sentence each.
    ``measures`` names what is done to save memory (:data:`engine.plan.ladder.RUNGS`): ``storage`` maps a component to the
    dtype its weights are kept in where that differs from its compute dtype, ``vae_tile`` is the side of the tiles that the
    VAE decodes in pixels (0: whole images, else also one image at a time), ``batch_limit`` the most images at once
    (0: no limit). ``repaint_tiles``: the second, larger pass of two sees one tile of the checkpoint's own size at a time.
    ``attention_scores`` are the most that attention computes at once, in float32 if
    ``attention_upcast``; ``attention_backend`` is "" for what torch takes, "math" for plain matrix products, "sliced" for those
    of one head at a time. ``compiler`` names what compiles the networks (:data:`engine.generate.speed.compile.COMPILERS`), ""
    for none. ``extrapolates``: whether the speed skips the network in some steps; plans of versions before that have False.
    """

    device: str = "cpu"
    dtypes: Mapping[str, str] = field(default_factory=dict[str, str])
    channels_last: bool = True
    attention_upcast: bool = False
    attention_scores: int = MOST_SCORES
    attention_backend: str = ""
    reasons: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    storage: Mapping[str, str] = field(default_factory=dict[str, str])
    vae_tile: int = 0
    batch_limit: int = 0
    repaint_tiles: bool = False
    compiler: str = ""
    extrapolates: bool = False

    def dtype(self, component: str) -> str:
        """The dtype of a component; ``"float32"`` for one that the plan does not name."""
        return self.dtypes.get(component, "float32")

    def waits_in_ram(self, component: str) -> bool:
        """Whether a component stays in RAM and comes to the device only while it runs."""
        return any(component.startswith(WAITING.get(measure, ())) for measure in self.placing)

    @property
    def placing(self) -> tuple[str, ...]:
        """The measures that decide which weights there are and where. Weights in memory serve plans that differ in the others
        only."""
        return tuple(measure for measure in self.measures if measure in (*WAITING, T5_OUT))

    @property
    def has_own_memory(self) -> bool:
        """Whether the device has memory beside the computer's RAM, so that what waits in RAM makes room on it."""
        return self.device not in SHARED_MEMORY

    @property
    def denoiser(self) -> str:
        """The component that predicts noise or flow."""
        return "transformer" if "transformer" in self.dtypes else "unet"


R = TypeVar("R", bound=Request)
R_co = TypeVar("R_co", bound=Request, covariant=True, default=ResolvedGeneration)


@dataclass(frozen=True, kw_only=True)
class Resolved(Generic[R_co]):
    """One image: the request that it is made from, and how it is run.

    ``request`` is resolved. If it was read from a file with missing fields, it is an asked one instead: that is
    ``Resolved[Request]``. ``checkpoint_hash`` is the SHA-256 of the checkpoint's headers (see
    :mod:`engine.checkpoints.library.catalogue`), ``checkpoint_sha256`` that of its whole file where it was known by then.
    ``environment`` names the versions that can cause differences.
    """

    request: R_co
    plan: ExecutionPlan
    threads: int
    batch_size: int = 1
    checkpoint_hash: str = ""
    checkpoint_sha256: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def with_request(self, request: R) -> Resolved[R]:
        """Another request that is run in the same way."""
        rest = {name: value for name, value in vars(self).items() if name != "request"}
        return Resolved(request=request, **rest)


_DECIDED = (
    "checkpoint",
    "width",
    "height",
    "steps",
    "guidance_scale",
    "guidance_rescale",
    "scheduler",
    "schedule",
    "seed",
    "clip_skip",
    "count",
    "hires",
)
"""The fields of a request for images that :func:`complete` decides."""


def complete(
    asked: GenerationRequest, *, checkpoint: str, width: int, height: int, steps: int, guidance_scale: float, scheduler: str,
    seed: int, schedule: str = "Default", guidance_rescale: float = 0.0, clip_skip: int = 0,
) -> ResolvedGeneration:  # fmt: skip
    """The first image of ``asked``, with these values for its open and changed fields."""
    rest = {name: value for name, value in vars(asked).items() if name not in _DECIDED}
    return _GENERATION_KINDS[kind_of(asked)](
        checkpoint=checkpoint, width=width, height=height, steps=steps, guidance_scale=guidance_scale, scheduler=scheduler,
        schedule=schedule, guidance_rescale=guidance_rescale, seed=seed, clip_skip=clip_skip, count=1, **rest,
    )  # fmt: skip


def as_asked(request: GenerationRequest) -> GenerationRequest:
    """The same values as an asked request, in which fields can be left open again."""
    return GENERATION_KINDS[kind_of(request)](**vars(request))


def size_of(request: Request) -> tuple[int, int] | None:
    """Width and height in pixels of the images of ``request``; None where it leaves them open."""
    if isinstance(request, GenerationRequest | ResolvedUpscale) and request.width and request.height:
        return request.width, request.height
    return None


_DECIDED_UPSCALE = (
    "images", "upscaler", "width", "height", "tile", "seed", "steps", "guidance_scale", "scheduler", "schedule", "clip_skip",
)  # fmt: skip
"""The fields of a request to upscale that :func:`complete_upscale` decides, the last five by leaving them out."""


def complete_upscale(
    asked: Upscale, *, image: str, upscaler: str, width: int, height: int, tile: int, seed: int
) -> ResolvedUpscale:
    """``asked`` for one of its images, by an upscaler that does not sample."""
    rest = {name: value for name, value in vars(asked).items() if name not in _DECIDED_UPSCALE}
    return ResolvedUpscale(images=(image,), upscaler=upscaler, width=width, height=height, tile=tile, seed=seed, **rest)


def complete_description(asked: DescribeImage, *, captioner: str) -> ResolvedDescribeImage:
    """``asked`` with the captioner that answers it."""
    rest = {name: value for name, value in vars(asked).items() if name not in ("captioner", "seed")}
    return ResolvedDescribeImage(captioner=captioner, seed=asked.seed or 0, **rest)


G = TypeVar("G", bound=ResolvedGeneration)


def request_at(request: G, index: int) -> G:
    """The request of image ``index`` of a job whose first is ``request``: with the seed moved on, that of the variation if there
    is one, or with its own strength."""
    if isinstance(request, ImageToImage) and request.strengths:
        return dataclasses.replace(request, strength=request.strengths[index], strengths=())
    if request.variation_strength:
        return dataclasses.replace(request, variation_seed=((request.variation_seed or 0) + index) % (MAX_SEED + 1))
    return dataclasses.replace(request, seed=(request.seed + index) % (MAX_SEED + 1))
