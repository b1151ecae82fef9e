"""Files and folders for a ``models`` folder that are damaged, unusual or malicious. The same seed writes the same ones.

:func:`create_mutations` yields each with its name and the function that writes it.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.attack import mutated_weights
from tests.attack.mutated_weights import create_malicious, create_safetensors, create_sound, mutate_json

ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")


@dataclass(frozen=True)
class Mutation:
    """``write`` creates it at a path called ``name`` in the models folder. ``silent``: nothing in a list would mention it."""

    name: str
    write: Callable[[Path], None]
    silent: bool = False


def create_mutations(seed: int, count: int, canary: Path) -> Iterator[Mutation]:
    """``count`` mutations; the malicious ones would create the file ``canary``."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        yield _CREATORS[number % len(_CREATORS)](rng, f"{number:04}", canary)


# weights files


def _create_weights(rng: random.Random, name: str, canary: Path) -> Mutation:
    kind = rng.choice(list(mutated_weights.WRITERS))
    return Mutation(f"{name} {kind}{rng.choice(ENDINGS)}", lambda path: _write(path, mutated_weights.WRITERS[kind](rng)))


def _create_malicious(rng: random.Random, name: str, canary: Path) -> Mutation:
    return Mutation(f"{name} malicious{rng.choice(ENDINGS)}", lambda path: _write(path, create_malicious(rng, canary)))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# diffusers folders

_PLAIN = {
    "model_index.json": {
        "_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
    },
    "unet/config.json": {
        "_class_name": "UNet2DConditionModel", "in_channels": 4, "sample_size": 8, "block_out_channels": [32, 64],
    },
    "unet/diffusion_pytorch_model.safetensors.index.json": {
        "metadata": {}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"},
    },
    "vae/config.json": {"_class_name": "AutoencoderKL", "block_out_channels": [32, 32]},
    "text_encoder/config.json": {"hidden_act": "quick_gelu", "hidden_size": 32},
    "scheduler/scheduler_config.json": {"_class_name": "DDIMScheduler", "prediction_type": "epsilon"},
    "tokenizer/tokenizer_config.json": {"model_max_length": 77},
    "starter.json": {
        "format": 1, "things": [{"name": "cat", "words": ["cat"]}], "backgrounds": [], "styles": [], "colours": ["red"],
        "defaults": {"steps": 20, "guidance_scale": 3.0, "scheduler": "DDIM"},
        "few_steps": {"lora": "few.safetensors", "steps": 4, "guidance_scale": 1.0, "scheduler": "LCM"},
    },
}  # fmt: skip
_WEIGHTS = (
    "unet/one.safetensors",
    "unet/two.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
)


def write_folder(folder: Path, *, starter: bool = False) -> None:
    """A valid diffusers folder with weights of a few bytes."""
    for name, value in _PLAIN.items():
        if starter or name != "starter.json":
            _write(folder / name, json.dumps(value).encode())
    for name in _WEIGHTS:
        _write(folder / name, create_safetensors({f"{Path(name).stem}.weight": (2, 2)}))


def _create_folder(rng: random.Random, name: str, canary: Path) -> Mutation:
    """A folder in which one JSON file is unusual."""
    odd = rng.choice(list(_PLAIN))

    def write(path: Path) -> None:
        write_folder(path, starter=odd == "starter.json" or rng.random() < 0.2)
        _write(path / odd, mutate_json(rng, _PLAIN[odd]))

    return Mutation(f"{name} odd {Path(odd).name}", write)


def _create_odd_part(rng: random.Random, name: str, canary: Path) -> Mutation:
    """A folder in which a file or folder is missing or is something else."""
    part = rng.choice([*_PLAIN, *_WEIGHTS, "unet", "vae", "tokenizer"])
    replace = rng.choice([None, *SPECIAL.values(), lambda path: path.mkdir(), lambda path: _write(path, rng.randbytes(50))])

    def write(path: Path) -> None:
        write_folder(path, starter=True)
        target = path / part
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()
        if replace is not None:
            replace(target)

    return Mutation(f"{name} odd part", write)


# special files


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        here = os.getcwd()
        os.chdir(path.parent)  # the path of a socket has at most 108 bytes
        try:
            opened.bind(path.name)
        finally:
            os.chdir(here)


def write_sparse(path: Path) -> None:
    """A file of 1 TB that takes no room."""
    with path.open("wb") as file:
        file.truncate(2**40)


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _write_without_rights(path: Path) -> None:
    _write(path, create_sound("lora", "safetensors"))
    path.chmod(0)


SPECIAL: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo, "socket": _bind, "zeros": _link("/dev/zero"), "terminal": _link("/dev/tty"), "input": _link("/dev/stdin"),
    "kernel": _link("/proc/kmsg"), "memory": _link("/proc/self/mem"), "environment": _link("/proc/self/environ"),
    "core": _link("/proc/kcore"), "nothing": _link("nothing at all"), "long link": _link("x" * 250),
    "no rights": _write_without_rights, "itself": lambda path: path.symlink_to(path.name),
}  # fmt: skip
"""What may be in the place of a file."""

_LINKED: dict[str, str] = {"parent": "..", "here": ".", "processes": "/proc", "system": "/sys", "open files": "/dev/fd"}
"""Targets of links in the models folder."""


def _create_special(rng: random.Random, name: str, canary: Path) -> Mutation:
    kind = rng.choice(list(SPECIAL))
    return Mutation(f"{name} {kind}{rng.choice(ENDINGS)}", SPECIAL[kind])


def _create_linked(rng: random.Random, name: str, canary: Path) -> Mutation:
    kind = rng.choice(list(_LINKED))
    silent = kind in ("parent", "here", "open files")
    return Mutation(f"{name} {kind}", _link(_LINKED[kind]), silent)


def _create_odd_name(rng: random.Random, name: str, canary: Path) -> Mutation:
    """A valid file whose name is long, ambiguous, or full of characters with a special meaning elsewhere."""
    odd = rng.choice(
        ["x" * 200, "\u202e\u200f", "\n\r\t\x1b[31m", "<script>&\"'", "%00%2e%2e", "\\..\\", "...", "~", "CON", "\U0001f431" * 30]
    )
    content = create_sound("lora", "safetensors")
    return Mutation(f"{name} {odd}.safetensors", lambda path: _write(path, content))


def _create_deep(rng: random.Random, name: str, canary: Path) -> Mutation:
    """A deeply nested file, or one in a folder without permissions."""
    depth, mode = rng.choice([(25, 0o755), (1, 0), (1, stat.S_IRUSR), (1, stat.S_IXUSR)])

    def write(path: Path) -> None:
        _write(path.joinpath(*["d"] * depth) / "deep.safetensors", create_sound("vae", "safetensors"))
        path.chmod(mode)

    return Mutation(f"{name} deep", write)


_CREATORS = (
    _create_weights, _create_weights, _create_weights, _create_malicious, _create_folder, _create_weights, _create_special,
    _create_folder, _create_odd_part, _create_weights, _create_linked, _create_odd_name, _create_weights, _create_deep,
    _create_folder, _create_odd_part,
)  # fmt: skip
