"""Checkpoints as diffusers folders: ``model_index.json`` and one sub-folder per component."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from engine.checkpoints.families import FAMILIES, OTHER, TEXT_LAYOUTS, Family, TextLayout
from engine.checkpoints.families import stable_diffusion_3 as sd3
from engine.checkpoints.families.noise_schedules import find_noise_schedule
from engine.checkpoints.files.headers import Header, read_header
from engine.checkpoints.identify.evidence import Evidence, find_family, names_few_steps
from engine.checkpoints.identify.identity import Identity, Part
from engine.errors import CheckpointError
from engine.json_values import JsonObject, JsonValue, parse_object
from engine.storage.regular_files import read_regular_file

FOLDER_INDEX = "model_index.json"

WEIGHTS: tuple[str, ...] = (
    "diffusion_pytorch_model.safetensors", "model.safetensors", "diffusion_pytorch_model.safetensors.index.json",
    "model.safetensors.index.json", "diffusion_pytorch_model.fp16.safetensors", "model.fp16.safetensors",
    "diffusion_pytorch_model.safetensors.index.fp16.json", "model.safetensors.index.fp16.json",
    "diffusion_pytorch_model.bin", "pytorch_model.bin", "diffusion_pytorch_model.fp16.bin", "pytorch_model.fp16.bin",
)  # fmt: skip
"""File names that diffusers and transformers use for a component's weights, in order of preference."""

MODULES = {
    "UNet2DConditionModel", "AutoencoderKL", "AutoencoderTiny", "CLIPTextModel", "CLIPTextModelWithProjection",
    "DPTForDepthEstimation", "SD3Transformer2DModel", "T5EncoderModel",
}  # fmt: skip
"""Component classes that Easel builds itself. A folder with others is loaded by diffusers as a whole."""

PLAIN = {
    "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline",
    "StableDiffusionDepth2ImgPipeline", "StableDiffusionUpscalePipeline", "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline", "LatentConsistencyModelPipeline",
    "LatentConsistencyModelImg2ImgPipeline", "StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline",
    "StableDiffusion3InpaintPipeline",
}  # fmt: skip
"""Pipeline classes whose folders are matched against Easel's table of families."""

CONTROL_CLASSES = frozenset({"ControlNetModel", "ControlNetUnionModel", "ControlNetModel_Union", "T2IAdapter"})
"""Classes of control networks, each of which is a folder of its own."""


MOST_JSON = 16 * 2**20
"""The most bytes of a JSON file. The longest, lists of shards, have some hundred thousand."""

UNCLIP = (
    "it is Stable Diffusion 2.1 unCLIP, which draws variations of a picture and which Easel does not draw with. Choose another "
    "checkpoint on the Image to image tab"
)
"""Reason for refusing the checkpoints of stabilityai/stable-diffusion-2-1-unclip, as folders and as files."""

_MOST_COMPONENTS = 64
_MAY_BE_ABSENT = ("text_encoder_3",)
"""Components whose weights many leave out of what they fetch: T5 is larger than all others together."""
_MOST_SHARDS = 1000

_SIZES = range(8, 8193)
"""Native sizes that are accepted, in pixels per side."""

_MOST_BLOCKS = 16
"""The most downsampling levels of a VAE."""


def read_json(path: Path) -> JsonObject:
    """The JSON object in a file. Raises CheckpointError if the file cannot be read or contains anything else."""
    try:
        return parse_object(read_regular_file(path, MOST_JSON))
    except OSError as error:
        raise CheckpointError(f"“{path.parent.name}/{path.name}” cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise CheckpointError(f"“{path.parent.name}/{path.name}” is damaged: fetch the checkpoint again.") from error


def components(folder: Path) -> dict[str, tuple[str, str]]:
    """Component -> (library, class) from ``model_index.json``, without components that are null."""
    index = read_json(folder / FOLDER_INDEX)
    found = {name: (library, kind) for name, value in index.items() for library, kind in _read_pair(value)}
    if len(found) > _MOST_COMPONENTS or not all(is_plain_name(name) for name in found):
        raise CheckpointError(
            f"“{folder.name}” was not loaded: its {FOLDER_INDEX} names parts outside of the folder, or too many. "
            "Fetch the checkpoint again, or remove the folder."
        )
    return found


def is_plain_name(name: str) -> bool:
    """Whether ``name`` is a file name without folders, on every operating system."""
    return name not in ("", ".", "..") and not any(letter in name for letter in "/\\:\0")


def _read_pair(value: JsonValue) -> list[tuple[str, str]]:
    """The two strings in the list ``value``; empty for anything else."""
    match value:
        case [str(library), str(kind)]:
            return [(library, kind)]
        case _:
            return []


def weight_files(component: Path) -> tuple[Path, ...]:
    """The weights files of a component. Raises CheckpointError if there are none or some are missing."""
    for name in WEIGHTS:
        path = component / name
        if path.is_file():
            files = _shards(path) if name.endswith(".json") else (path,)
            return files
    raise CheckpointError(
        f"“{component.parent.name}” has no weights in its folder “{component.name}”: fetch the checkpoint again, all of it."
    )


def has_weights(component: Path) -> bool:
    """Whether any weights of a component are there."""
    return any((component / name).is_file() for name in WEIGHTS)


def is_control_folder(folder: Path, files: Collection[str]) -> bool:
    """Whether a folder with ``files`` is a control network's, by its ``config.json``. Never raises."""
    if FOLDER_INDEX in files or "config.json" not in files:
        return False
    try:
        return read_json(folder / "config.json").get("_class_name") in CONTROL_CLASSES and has_weights(folder)
    except CheckpointError:
        return False


def _shards(index: Path) -> tuple[Path, ...]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict):
        raise CheckpointError(f"“{index.parent.name}/{index.name}” is damaged: fetch the checkpoint again.")
    shards = sorted({str(name) for name in names.values()})
    if len(shards) > _MOST_SHARDS or not all(is_plain_name(name) for name in shards):
        raise CheckpointError(
            f"“{index.parent.name}/{index.name}” names files outside of its folder, or too many. "
            "Fetch the checkpoint again, or remove the folder."
        )
    files = tuple(index.parent / name for name in shards)
    missing = [f.name for f in files if not f.is_file()]
    if missing:
        raise CheckpointError(f"“{index.parent.parent.name}” is incomplete: {missing[0]} is missing. Fetch it again.")
    return files


def headers(component: Path) -> dict[Path, Header]:
    """The header of each weights file of a component."""
    return {path: read_header(path) for path in weight_files(component)}


def identify_folder(folder: Path) -> Identity:
    """The identity of a folder with a ``model_index.json``. Raises CheckpointError for one that is damaged or incomplete."""
    there = components(folder)
    index = read_json(folder / FOLDER_INDEX)
    digest = hashlib.sha256(read_regular_file(folder / FOLDER_INDEX, MOST_JSON))
    parts: dict[str, Part] = {}
    for name, (_, kind) in sorted(there.items()):
        if name in _MAY_BE_ABSENT and not has_weights(folder / name):
            continue
        if kind in MODULES or ((folder / name / "config.json").is_file() and name != "safety_checker"):
            found = headers(folder / name)
            parts[name] = Part.sum(t for header in found.values() for t in header.tensors.values())
            for header in found.values():
                digest.update(header.digest.encode())
    if not parts:
        raise CheckpointError(
            f"“{folder.name}” was not loaded: its {FOLDER_INDEX} names no part whose weights are there. "
            "Fetch the checkpoint again, or remove that file."
        )
    scheduler = _read_scheduler_config(folder)
    pipeline = str(index.get("_class_name", ""))[:80]
    if pipeline.startswith("StableUnCLIP"):
        return Identity(kind="unknown", container="folder", digest=digest.hexdigest(), reason=UNCLIP)
    known = ("unet", "transformer") if pipeline in PLAIN else ("unet",)
    denoiser = next((read_json(folder / name / "config.json") for name in known if name in there), {})
    family = _family(folder, pipeline, there, denoiser, scheduler)
    return Identity(
        kind="checkpoint",
        family=family.name,
        prediction_type="" if family.denoiser == "transformer" else _read_prediction_type(scheduler),
        parts=parts,
        native_size=_native_size(folder, denoiser or _read_transformer(folder, there)),
        noise_schedule=find_noise_schedule(scheduler),
        container="folder",
        digest=digest.hexdigest(),
        reason=f"a folder for {pipeline}",
    )


def _read_scheduler_config(folder: Path) -> JsonObject:
    path = folder / "scheduler" / "scheduler_config.json"
    return read_json(path) if path.is_file() else {}


def _read_prediction_type(scheduler: JsonObject) -> str:
    said = scheduler.get("prediction_type")
    return said if isinstance(said, str) and said.isidentifier() else "epsilon"


def _family(
    folder: Path, pipeline: str, there: Mapping[str, tuple[str, str]], denoiser: JsonObject, scheduler: JsonObject
) -> Family:
    """The family of a folder; :data:`~engine.checkpoints.families.OTHER` if there is none."""
    marked = (family for family in FAMILIES if family.marker_file and (folder / family.marker_file).is_file())
    if (found := next(marked, None)) is not None:
        return found
    if pipeline not in PLAIN or any(kind not in MODULES for n, (_, kind) in there.items() if _is_network(n)):
        return OTHER
    if "transformer" in there:
        return find_family(_read_mmdit(folder, denoiser), "flow_prediction") or OTHER
    prediction_type = _read_prediction_type(scheduler)
    text = _text_layout(folder, there)
    if text is None:
        return OTHER
    channels = denoiser.get("in_channels", 4)
    evidence = Evidence(
        text=text,
        channels=channels if isinstance(channels, int) else 4,
        guidance_embedding=bool(denoiser.get("time_cond_proj_dim")),
        few_steps=scheduler.get("timestep_spacing") == "trailing" and prediction_type == "epsilon",
    )
    return find_family(evidence, prediction_type) or OTHER


def _read_mmdit(folder: Path, transformer: JsonObject) -> Evidence:
    """What the folder of a Stable Diffusion 3 shows."""
    network = sd3.MMDIT_NORMALISED if transformer.get("qk_norm") else sd3.MMDIT
    network = sd3.MMDIT_X if transformer.get("dual_attention_layers") else network
    return Evidence(text=sd3.THREE, channels=16, network=network, few_steps=names_few_steps(folder.name))


def _is_network(component: str) -> bool:
    return component.startswith("text_encoder") or component in ("unet", "vae", "transformer", "prior", "depth_estimator")


def _text_layout(folder: Path, there: Mapping[str, tuple[str, str]]) -> TextLayout | None:
    """The layout with the folder's text encoders; if two families have the same ones, their activation function decides."""
    encoders = {component for component in there if component.startswith("text_encoder")}
    fitting = [layout for layout in TEXT_LAYOUTS.values() if set(layout.prefixes) == encoders]
    if len(fitting) < 2:
        return next(iter(fitting), None)
    activation = read_json(folder / min(encoders) / "config.json").get("hidden_act")
    return next((layout for layout in fitting if layout.hidden_act == activation), fitting[0])


def _read_transformer(folder: Path, there: Mapping[str, tuple[str, str]]) -> JsonObject:
    path = folder / "transformer" / "config.json"
    return read_json(path) if "transformer" in there and path.is_file() else {}


def _native_size(folder: Path, denoiser: JsonObject) -> int:
    """Pixels per side: the denoiser's sample size times the VAE's scale factor, or 512 if the folder does not say."""
    latents = denoiser.get("sample_size")
    path = folder / "vae" / "config.json"
    if not isinstance(latents, int) or not path.is_file():
        return 512
    vae = read_json(path)
    blocks = vae.get("decoder_block_out_channels") or vae.get("block_out_channels")
    count = min(len(blocks), _MOST_BLOCKS) if isinstance(blocks, list) else 4
    size = latents * 2 ** (count - 1)
    return size if size in _SIZES else 512
