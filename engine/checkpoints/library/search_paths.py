"""Which folders hold checkpoints, and which of their files to look at. Folders of other programs are only read.

ComfyUI keeps its files in ``models/checkpoints``, ``models/loras``, ``models/vae``, ``models/upscale_models``,
``models/embeddings``; AUTOMATIC1111's program and Forge in ``models/Stable-diffusion``, ``models/Lora``, ``models/VAE``,
``models/ESRGAN``, and ``embeddings`` beside them. What a file is its content says all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import engine.preferences as preferences
from engine.checkpoints.identify.folders import FOLDER_INDEX
from engine.settings import Settings

ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")
"""Files that are looked into. What they are their content says."""

PROGRAMS: Mapping[str, str] = {
    "comfy_extras": "ComfyUI", "modules_forge": "Forge", "webui.py": "AUTOMATIC1111's program", "invokeai": "InvokeAI",
}  # fmt: skip
"""What the main folder of a program holds -> its name. The first that is there counts."""

PLACES = ("models", "embeddings")
"""Where such a program keeps what it loads; nothing else of it is looked into."""

SORTED = frozenset(
    {
        "models", "checkpoints", "stable-diffusion", "diffusion_models", "unet", "lora", "loras", "lycoris", "vae", "embeddings",
        "upscale_models", "esrgan", "realesrgan", "swinir",
    }
)  # fmt: skip
"""Sub-folders that say no more than what kind of file is in them: left out of names."""

SKIPPED = frozenset(
    {
        "controlnet", "clip_vision", "gligen", "photomaker", "style_models", "hypernetworks", "deepbooru", "codeformer", "gfpgan",
        "venv", "site-packages", "node_modules", "custom_nodes", "vae-approx", "vae_approx", "blip", "karlo",
    }
)  # fmt: skip
"""Sub-folders of other programs whose files Easel has no use for."""


def roots(settings: Settings) -> tuple[Path, ...]:
    """The user's own folder first, then those of other programs that were named; each once."""
    chosen = (Path(folder).expanduser() for folder in preferences.read(settings.data).extra_models)
    return tuple(dict.fromkeys((settings.models, *settings.extra_models, *chosen)))


def places(settings: Settings) -> dict[Path, Path]:
    """Everything worth looking into -> the folder that it was found in, the first where folders lie in each other."""
    found: dict[Path, Path] = {}
    for root in roots(settings):
        for path in candidates(root):
            found.setdefault(path, root)
    return found


def program(root: Path) -> str:
    """The program whose main folder ``root`` is, or ""."""
    return next((name for mark, name in PROGRAMS.items() if (root / mark).exists()), "")


def candidates(root: Path) -> Iterator[Path]:
    """Files and diffusers folders under ``root`` worth looking into. Hidden ones and part-files are skipped."""
    for start in [root / place for place in PLACES] if program(root) else [root]:
        yield from _below(start)


def _below(start: Path) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder, subfolders, files in os.walk(start, followlinks=True):
        here = Path(folder)
        if here.resolve() in seen:  # a link that leads back up
            subfolders.clear()
            continue
        seen.add(here.resolve())
        if FOLDER_INDEX in files:
            subfolders.clear()
            yield here
            continue
        subfolders[:] = sorted(s for s in subfolders if s.casefold() not in SKIPPED and not s.startswith(".") and not _is_part(s))
        for name in sorted(files, key=lambda name: (not name.endswith(ENDINGS[0]), name)):
            if name.casefold().endswith(ENDINGS) and not name.startswith("."):
                yield here / name


def _is_part(name: str) -> bool:
    """A folder that is still being fetched."""
    return name.endswith(".part")


def names(root: Path, path: Path) -> Iterator[str]:
    """What ``path`` under ``root`` may be called: without ending and sorting folders, without ending, in full."""
    short = path.relative_to(root)
    plain = short.with_suffix("") if path.is_file() else short
    sorting = next((i for i, part in enumerate(plain.parts) if part.casefold() not in SORTED), len(plain.parts) - 1)
    yield Path(*plain.parts[sorting:]).as_posix()
    yield plain.as_posix()
    yield short.as_posix()
    yield str(path)
