"""Writes GGUF files with the ``gguf`` package, in the layouts of the programs that convert checkpoints.

github.com/city96/ComfyUI-GGUF, ``tools/convert.py``: a UNet alone, without its prefix; vectors and small tensors stay in float32;
what does not divide into rows of 256 is reshaped, and its shape noted. github.com/leejet/stable-diffusion.cpp, ``convert.cpp``: a
whole checkpoint, under the names of its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import torch

PREFIX = "model.diffusion_model."
_SMALL, _ROW = 1024, 256


def write(
    path: Path, tensors: Mapping[str, torch.Tensor], kind: gguf.GGMLQuantizationType, arch: str = "sdxl"
) -> dict[str, torch.Tensor]:
    """Write ``tensors``, quantised, and return what they are once dequantised, by ``gguf``'s own code."""
    writer = gguf.GGUFWriter(path=None, arch=arch)
    found: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        data = tensor.float().numpy()
        if data.ndim > 1 and data.size >= 512 and data.size % _ROW == 0 and data.shape[-1] % _ROW:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", [int(side) for side in data.shape])
            data = data.reshape(-1, _ROW)
        kept = data.ndim == 1 or data.size <= _SMALL
        used = gguf.GGMLQuantizationType.F32 if kept else kind
        try:
            packed = gguf.quants.quantize(data, used)
        except gguf.quants.QuantError:
            used = gguf.GGMLQuantizationType.F16
            packed = gguf.quants.quantize(data, used)
        writer.add_tensor(name, packed, raw_dtype=used)
        found[name] = torch.from_numpy(np.array(gguf.quants.dequantize(packed, used))).reshape(tensor.shape)
    writer.write_header_to_file(path=path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return found


def without_prefix(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The UNet alone, as ComfyUI-GGUF writes it."""
    return {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
