"""Marker keys: tensors beside the weights of a single file that say how it was trained.

The names are those that ComfyUI reads and writes (``comfy/supported_models.py``, ``SDXL.model_type``, and
``comfy_extras/nodes_model_merging.py``). What they mean is written as values of diffusers' configurations.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.checkpoints.files.headers import Header, Tensor
from engine.json_values import JsonObject, JsonValue
from engine.storage.regular_files import open_regular_file

MOST_NUMBERS = 65536
"""The most elements of a tensor that is read while a file is identified."""

_EDM: JsonObject = {"_class_name": "EDMDPMSolverMultistepScheduler", "num_train_timesteps": 1000, "sigma_min": 0.002}

_PLAYGROUND: JsonObject = {**_EDM, "prediction_type": "epsilon", "sigma_data": 0.5, "sigma_max": 80.0, "rho": 7.0}
"""playgroundai/playground-v2.5-1024px-aesthetic, as diffusers' single file loader creates it (Karras et al. 2022,
arXiv 2206.00364)."""

_PLAYGROUND_SCALING_FACTOR = 0.5

_COSXL: JsonObject = {
    **_EDM, "prediction_type": "v_prediction", "sigma_data": 1.0, "sigma_max": 120.0, "sigma_schedule": "exponential",
}  # fmt: skip
"""stabilityai/cosxl, as diffusers' documentation of InstructPix2Pix creates it."""

_ZERO_TERMINAL_SNR: JsonObject = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
"""Lin et al. 2023, arXiv 2305.08891."""


@dataclass(frozen=True, kw_only=True)
class Markers:
    """What a file's marker keys say: ``prediction_type``, and component -> values of its configuration. A scheduler's
    configuration with a class replaces the family's; other values only change it. ``names`` are the keys."""

    prediction_type: str
    names: tuple[str, ...]
    configs: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])


MARKERS = ("edm_mean", "edm_std", "edm_vpred.sigma_max", "edm_vpred.sigma_min", "v_pred", "ztsnr")


def read_markers(header: Header, path: Path) -> Markers | None:
    """What the marker keys of a file say, None if it has none. A key without the one that gives it a meaning is not used."""
    tensors = header.tensors
    if "edm_mean" in tensors and "edm_std" in tensors:
        mean, deviation = (read_numbers(path, tensors[name]) for name in ("edm_mean", "edm_std"))
        vae: JsonObject = {
            "latents_mean": _as_json(mean), "latents_std": _as_json(deviation), "scaling_factor": _PLAYGROUND_SCALING_FACTOR,
        }  # fmt: skip
        return Markers(prediction_type="epsilon", names=("edm_mean", "edm_std"), configs={"scheduler": _PLAYGROUND, "vae": vae})
    if "edm_vpred.sigma_max" in tensors:
        ends = {end: f"edm_vpred.{end}" for end in ("sigma_max", "sigma_min") if f"edm_vpred.{end}" in tensors}
        sigmas: JsonObject = {end: number for end, name in ends.items() for number in read_numbers(path, tensors[name])[:1]}
        scheduler = {**_COSXL, **sigmas}
        others = tuple(name for name in ("v_pred", "ztsnr") if name in tensors)  # ComfyUI writes them beside these
        return Markers(prediction_type="v_prediction", names=(*ends.values(), *others), configs={"scheduler": scheduler})
    if "v_pred" in tensors and "ztsnr" in tensors:
        return Markers(prediction_type="v_prediction", names=("v_pred", "ztsnr"), configs={"scheduler": _ZERO_TERMINAL_SNR})
    return Markers(prediction_type="v_prediction", names=("v_pred",)) if "v_pred" in tensors else None


def _as_json(numbers: tuple[float, ...]) -> list[JsonValue]:
    return [float(number) for number in numbers]


def read_numbers(path: Path, tensor: Tensor) -> tuple[float, ...]:
    """The elements of a small tensor, read from the file; none of a large one."""
    if tensor.count > MOST_NUMBERS:
        return ()
    if tensor.data is not None:
        return _unpack(tensor.data, tensor.dtype)
    with open_regular_file(path) as file:
        file.seek(tensor.offset)
        return _unpack(file.read(tensor.bytes), tensor.dtype)


def _unpack(raw: bytes, dtype: str) -> tuple[float, ...]:
    if dtype == "bfloat16":
        wide = b"".join(b"\0\0" + raw[i : i + 2] for i in range(0, len(raw) - 1, 2))
        return struct.unpack(f"<{len(wide) // 4}f", wide)
    form, width = {"float32": ("f", 4), "float16": ("e", 2), "float64": ("d", 8)}.get(dtype, ("b", 1))
    return struct.unpack(f"<{len(raw) // width}{form}", raw)
