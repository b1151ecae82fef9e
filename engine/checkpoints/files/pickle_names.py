"""The globals, module and name, that a pickle may ask for. None is ever imported: they stay names."""

from __future__ import annotations

from collections.abc import Mapping

DTYPES = frozenset(
    {
        "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2",
        "int64", "int32", "int16", "int8", "uint8", "bool",
    }
)  # fmt: skip

NEEDED = frozenset(
    {
        "collections.OrderedDict",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.Size",
        "torch.device",
        "torch.nn.parameter.Parameter",
        "torch.nn.modules.container.ParameterDict",
        "torch._utils._rebuild_device_tensor_from_numpy",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "numpy.ndarray",
        "torch.serialization._get_layout",
        "torch.storage.UntypedStorage",
        "torch.storage.TypedStorage",
        "torch.storage._load_from_bytes",
    }
)
"""Globals that tensors and state dicts need."""

INERT = (
    "pytorch_lightning.", "lightning.", "lightning_fabric.", "omegaconf.", "typing.", "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar", "numpy.dtype", "_codecs.encode", "torch.optim.", "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "argparse.Namespace", "diffusers.", "transformers.", "ldm.", "collections.defaultdict", "builtins.dict", "__builtin__.dict",
    "builtins.int", "__builtin__.int", "builtins.float", "__builtin__.float", "builtins.str", "__builtin__.str",
    "builtins.list", "__builtin__.list", "builtins.set", "__builtin__.set", "builtins.bool", "__builtin__.bool",
)  # fmt: skip
"""Globals that training programs leave in old files (the first Stable Diffusion has Lightning's ModelCheckpoint). They are kept
as names and never imported; one that ends in a dot covers all that begin with it."""

_YOLO = (
    "it is a YOLO detector saved as a Python program, which Easel never runs, and Easel does not use detectors yet. Exported to "
    "ONNX it is data alone: yolo export model=NAME.pt format=onnx"
)
_PROGRAMS: Mapping[str, str] = {"ultralytics.": _YOLO, "models.yolo.": _YOLO, "models.common.": _YOLO}
"""Beginning of a global -> what a file is that asks for it: Ultralytics' package, and the sources of its version 5."""


def is_allowed(path: str) -> bool:
    """Whether a checkpoint may contain this global."""
    if path in NEEDED or (path.startswith("torch.") and (path.endswith("Storage") or path.removeprefix("torch.") in DTYPES)):
        return True
    return any(path.startswith(inert) if inert.endswith(".") else path == inert for inert in INERT)


def describe_refused(path: str) -> str:
    """What a file is, or does, that asks for a global that is not allowed: the second half of a sentence."""
    known = next((what for beginning, what in _PROGRAMS.items() if path.startswith(beginning)), None)
    return known or f"it asks for “{path[:80]}”, which no checkpoint needs and which could run a program"
