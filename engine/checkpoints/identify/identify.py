"""What a file or folder is, told from its content alone: names and shapes of its tensors. Neither name nor extension counts.

No torch: the page uses this. A file of several gigabytes takes milliseconds, because only its header is read.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.checkpoints.families import BY_NAME
from engine.checkpoints.files.headers import Header, Tensor, read_header
from engine.checkpoints.identify.folders import identify_folder
from engine.checkpoints.identify.identity import Identity, Part
from engine.checkpoints.identify.image_networks import identify_network
from engine.checkpoints.load.key_mapping import UNET

__all__ = ["Identity", "Part", "identify", "identify_header"]


def identify(path: Path) -> Identity:
    """What ``path`` is. Raises CheckpointError, a sentence that names the file, for what is damaged or unsafe.

    What is sound but of a kind that Easel does not know has kind ``"unknown"``.
    """
    if path.is_dir():
        return identify_folder(path)
    header = read_header(path)
    return identify_header(header, path)


def identify_header(header: Header, path: Path) -> Identity:
    """The same from a header that was read already; ``path`` is looked into for a single small tensor at most."""
    names = header.tensors
    for recognise in _KINDS:
        found = recognise(names, header, path)
        if found is not None:
            return found
    return Identity(kind="unknown", digest=header.digest, reason="its parts have names that Easel does not know")


# Checkpoints in the original layout

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "unet": (UNET,),
    "vae": ("first_stage_model.", "vae."),
    "depth_estimator": ("depth_model.",),
}
TEXT_PREFIXES: Mapping[str, Mapping[str, str]] = {
    "clip": {"text_encoder": "cond_stage_model.transformer."},
    "openclip": {"text_encoder": "cond_stage_model.model."},
    "xl": {"text_encoder": "conditioner.embedders.0.transformer.", "text_encoder_2": "conditioner.embedders.1.model."},
    "refiner": {"text_encoder_2": "conditioner.embedders.0.model."},
}
"""Kind of text encoder -> component -> how its tensors begin. XL's first is found by its second."""

WIDTHS = {768: "clip", 1024: "openclip", 2048: "xl", 1280: "refiner"}
"""Width of what the UNet attends to -> text encoder, for files that hold a UNet alone."""

FAMILIES: Mapping[tuple[str, int], str] = {
    ("clip", 4): "sd1", ("clip", 9): "sd1_inpainting",
    ("openclip", 4): "sd2", ("openclip", 9): "sd2_inpainting", ("openclip", 5): "sd2_depth", ("openclip", 7): "x4_upscaler",
    ("xl", 4): "xl", ("xl", 9): "xl_inpainting", ("refiner", 4): "xl_refiner",
}  # fmt: skip
"""(Text encoder, input channels of the UNet) -> family. Beside the latents: 5 for mask and picture, 1 depth, 3 low resolution."""

_FIRST = UNET + "input_blocks.0.0.weight"
_STATISTIC = re.compile(re.escape(UNET) + r"output_blocks\.(\d+)\.1\.transformer_blocks\.0\.norm1\.bias")
_V_FROM = 0.09
"""The field's rule (ComfyUI, SD20.model_type): in v-prediction checkpoints this bias of the last block is spread wider."""

_EPSILON_STEPS = (875_000, 220_000)
"""Training steps that 2-base and 2.1-base state; the 768 ones have others (diffusers' conversion script)."""


def _checkpoint(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    first = names.get(_FIRST)
    if first is None or len(first.shape) != 4:
        return None
    text = _text_kind(names)
    channels = first.shape[1]
    family = FAMILIES.get((text, channels))
    if family is None:
        return _foreign(header, f"it is a kind of Stable Diffusion that Easel does not know ({channels} input channels)")
    prediction = _prediction(family, names, header, path)
    name = _variant(family, prediction, names, header)
    return Identity(
        kind="checkpoint",
        architecture=name,
        prediction_type=prediction,
        parts=_parts(names, {**PREFIXES, **{c: (p,) for c, p in TEXT_PREFIXES[text].items()}}),
        native_size=BY_NAME[name].native_size,
        container=header.container,
        digest=header.digest,
        reason=f"a UNet with {channels} input channels and {_TEXT_WORDS[text]}",
    )


_TEXT_WORDS = {
    "clip": "OpenAI's CLIP text encoder", "openclip": "an OpenCLIP text encoder", "xl": "XL's two text encoders",
    "refiner": "the refiner's text encoder",
}  # fmt: skip


def _text_kind(names: Mapping[str, Tensor]) -> str:
    for kind in ("xl", "refiner", "openclip", "clip"):
        prefix = list(TEXT_PREFIXES[kind].values())[-1]
        if any(name.startswith(prefix) for name in names):
            return kind
    widths = (t.shape[-1] for n, t in names.items() if n.startswith(UNET) and n.endswith("attn2.to_k.weight"))
    return WIDTHS.get(next(widths, 0), "")


def _foreign(header: Header, reason: str) -> Identity:
    return Identity(kind="unknown", digest=header.digest, container=header.container, reason=reason)


def _prediction(family: str, names: Mapping[str, Tensor], header: Header, path: Path) -> str:
    """What the UNet predicts, by what the file says of itself, else by the field's rules."""
    said = header.metadata.get("modelspec.prediction_type", "").lower()
    if said:
        return "v_prediction" if said.startswith("v") else "epsilon"
    if "v_pred" in names:
        return "v_prediction"
    if family == "x4_upscaler":
        return "v_prediction"
    if family != "sd2":
        return "epsilon"
    if header.values.get("global_step") in _EPSILON_STEPS:
        return "epsilon"
    biases = [(int(match[1]), tensor) for name, tensor in names.items() if (match := _STATISTIC.fullmatch(name))]
    last = max(biases, default=None, key=lambda pair: pair[0])
    return "v_prediction" if last is not None and _spread(path, last[1]) > _V_FROM else "epsilon"


def _variant(family: str, prediction: str, names: Mapping[str, Tensor], header: Header) -> str:
    """The row of the table: few-step kinds have the shapes of their family and are told by what the file says of itself."""
    if f"{UNET}time_embed.cond_proj.weight" in names and family == "sd1":
        return "lcm"
    said = " ".join(v for k, v in header.metadata.items() if k.startswith("modelspec.")).lower()
    few_steps = any(word in said for word in ("turbo", "lightning", "hyper-sd", "lcm"))
    if family == "sd2":
        return "sd_turbo" if few_steps else ("sd2_v" if prediction == "v_prediction" else "sd2_base")
    return "xl_turbo" if family == "xl" and few_steps else family


def _spread(path: Path, tensor: Tensor) -> float:
    """Standard deviation of a small tensor, read from its place."""
    with path.open("rb") as file:
        file.seek(tensor.offset)
        numbers = _unpacked(file.read(tensor.bytes), tensor.dtype)
    mean = sum(numbers) / max(1, len(numbers))
    return math.sqrt(sum((n - mean) ** 2 for n in numbers) / max(1, len(numbers)))


def _unpacked(raw: bytes, dtype: str) -> tuple[float, ...]:
    if dtype == "bfloat16":
        wide = b"".join(b"\0\0" + raw[i : i + 2] for i in range(0, len(raw) - 1, 2))
        return struct.unpack(f"<{len(wide) // 4}f", wide)
    form, width = {"float32": ("f", 4), "float16": ("e", 2), "float64": ("d", 8)}.get(dtype, ("b", 1))
    return struct.unpack(f"<{len(raw) // width}{form}", raw)


def _parts(names: Mapping[str, Tensor], prefixes: Mapping[str, tuple[str, ...]]) -> dict[str, Part]:
    """Size and dtype of each component that is there."""
    found = {}
    for component, starts in prefixes.items():
        tensors = [t for n, t in names.items() if n.startswith(starts)]
        if tensors:
            found[component] = Part.of(tensors)
    return found


# Everything else


def _alone(kind: str, clues: tuple[str, ...], reason: str, component: str = "") -> Callable[..., Identity | None]:
    """Recognises files that have all of ``clues`` among the ends of their names."""

    def recognise(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
        if not all(any(name.endswith(clue) for name in names) for clue in clues):
            return None
        parts = {component or kind: Part.of(list(names.values()))}
        return Identity(
            kind=kind,
            architecture=_family_of(names, header),
            parts=parts,
            container=header.container,
            digest=header.digest,
            reason=reason,
        )

    return recognise


def _family_of(names: Mapping[str, Tensor], header: Header) -> str:
    """For additions: the family that they were made for, as far as it shows. "" where it does not."""
    said = (header.metadata.get("ss_base_model_version", "") + header.metadata.get("modelspec.architecture", "")).lower()
    if "xl" in said or any(n.startswith(("lora_te1_", "lora_te2_", "text_encoder_2.", "clip_g")) for n in names):
        return "xl"
    for name, tensor in names.items():
        attends = "attn2" in name and ("to_k" in name or "to_v" in name)
        if attends and len(tensor.shape) >= 2 and name.endswith(_DOWN):
            return {768: "sd1", 1024: "sd2", 2048: "xl"}.get(tensor.shape[1], "")
    return ""


_DOWN = ("lora_down.weight", "lora_A.weight", "lora.down.weight", "hada_w1_b", "lora_A.default.weight", "to_k_lora.down.weight")


def _embedding(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """Textual inversion: A1111's ``string_to_param``, ``emb_params``, XL's ``clip_l`` and ``clip_g``, or one matrix."""
    wide = {n: t for n, t in names.items() if len(t.shape) == 2 and t.shape[0] <= 1024}
    known = any(n.startswith("string_to_param.") or n in ("emb_params", "clip_l", "clip_g") for n in wide)
    if not wide or not (known or (len(names) == 1 and header.container != "safetensors") or len(names) == 1):
        return None
    width = max(t.shape[1] for t in wide.values())
    family = "xl" if "clip_g" in wide else {768: "sd1", 1024: "sd2", 1280: "xl"}.get(width, "")
    tokens = max(t.shape[0] for t in wide.values())
    return Identity(
        kind="embedding", architecture=family, parts={"embedding": Part.of(list(wide.values()))}, container=header.container,
        digest=header.digest, reason=f"{tokens} learned token{'s' if tokens > 1 else ''}, {width} wide",
    )  # fmt: skip


def _network(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """An upscaler, or another network that works on images."""
    return identify_network(names, header)


def _original_vae(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """A VAE in the original layout; ``quant_conv`` is left out by some."""
    return _alone("vae", ("encoder.conv_in.weight", "decoder.conv_in.weight"), "an autoencoder (VAE)")(names, header, path)


_KINDS: tuple[Callable[[Mapping[str, Tensor], Header, Path], Identity | None], ...] = (
    _checkpoint,
    _alone("controlnet", ("input_hint_block.0.weight",), "a ControlNet, which Easel does not use yet"),
    _alone("controlnet", ("controlnet_cond_embedding.conv_in.weight",), "a ControlNet, which Easel does not use yet"),
    _alone("lora", ("lora_down.weight",), "a LoRA (kohya's names)"),
    _alone("lora", ("lora_A.weight",), "a LoRA (diffusers' names)"),
    _alone("lora", ("lora.down.weight",), "a LoRA (diffusers' older names)"),
    _alone("lora", ("hada_w1_a",), "a LyCORIS adapter (LoHa)"),
    _network,
    _alone("unet", ("down_blocks.0.resnets.0.conv1.weight", "time_embedding.linear_1.weight"), "a UNet without the rest"),
    _original_vae,
    _alone("depth", ("pretrained.model.blocks.0.attn.qkv.weight", "scratch.output_conv.0.weight"), "a MiDaS depth estimator"),
    _embedding,
)
"""In order; the first that recognises a file wins."""
