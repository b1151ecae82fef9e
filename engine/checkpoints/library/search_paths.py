"""Which folders hold checkpoints, and which of their files to look at. Folders of other programs are only read.

ComfyUI keeps its files in ``models/checkpoints``, ``models/loras``, ``models/vae``, ``models/upscale_models``,
``models/embeddings``, ``models/controlnet``; AUTOMATIC1111's program and Forge in ``models/Stable-diffusion``, ``models/Lora``,
``models/VAE``, ``models/ESRGAN``, ``models/ControlNet``, and ``embeddings`` beside them. The kind of a file is still
determined by its content.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import engine.preferences as preferences
from engine.checkpoints.captioners.identify_captioner import WEIGHTS as CAPTIONER_WEIGHTS
from engine.checkpoints.captioners.identify_captioner import is_captioner_folder
from engine.checkpoints.identify.folders import FOLDER_INDEX, components, is_control_folder
from engine.checkpoints.identify.folders import WEIGHTS as COMPONENT_WEIGHTS
from engine.errors import CheckpointError
from engine.safe_text import text_to_name
from engine.settings import Settings
from engine.storage.items import translate_any_error
from engine.storage.regular_files import is_of_system

WEIGHTS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")
"""Extensions of files that may hold weights that Easel uses, now or later; these can be downloaded."""

ENDINGS = (*WEIGHTS, ".th", ".pkl", ".h5", ".msgpack", ".pb", ".tflite", ".engine", ".zip", ".7z", ".rar")
"""Extensions of files that are examined; the content determines their kind."""

PROGRAMS: Mapping[str, str] = {
    "comfy_extras": "ComfyUI", "modules_forge": "Forge", "webui.py": "AUTOMATIC1111's program", "invokeai": "InvokeAI",
}  # fmt: skip
"""A file or folder in a program's main folder -> the program's name; the first match wins."""

MOST_FOLDERS = 20_000
MOST_ENTRIES = 200_000
MOST_SECONDS = 30.0
MOST_DEPTH = 20
"""Limits of the search, because a link may lead to a whole disk. It is breadth-first, so the nearest files are found."""

_LONGEST_PATH, _LONGEST_NAME = 4095, 255
"""Limits of operating systems, in bytes."""

_COMPONENTS = frozenset(
    {
        "unet", "vae", "text_encoder", "text_encoder_2", "text_encoder_3", "tokenizer", "tokenizer_2", "tokenizer_3", "scheduler",
        "transformer", "safety_checker", "feature_extractor", "image_encoder", "depth_estimator", "prior",
    }
)  # fmt: skip
"""diffusers' names for the folders of components, for a checkpoint whose ``model_index.json`` cannot be read."""

WILDCARDS = "wildcards"
"""The folder of wildcard files."""

TAGS = "tags"
"""The folder of lists of tags, which complete words in the prompt."""

PLACES = ("models", "embeddings", "extensions/sd-webui-controlnet/models")
"""The folders in which these programs keep models; others are not searched."""

SORTED = frozenset(
    {
        "models", "checkpoints", "stable-diffusion", "diffusion_models", "unet", "lora", "loras", "lycoris", "vae", "embeddings",
        "upscale_models", "controlnet", "t2i_adapter", "extensions",
        "sd-webui-controlnet", "esrgan", "realesrgan", "swinir", "clip", "text_encoders",
        "vae_approx", "vae-approx", "vae-taesd",
    }
)  # fmt: skip
"""Sub-folders that only sort files by kind, and are omitted from names."""

_SHARD = re.compile(r".+-\d{5}-of-\d{5}\.\w+")
"""The name of a part of a component's weights."""

SKIPPED = frozenset({"venv", "site-packages", "node_modules", "custom_nodes"})
"""Sub-folders that hold programs, not models."""


@dataclass(frozen=True)
class Candidates:
    """``paths``: files and diffusers folders to examine, and the search path that each was found in. ``troubles``: a
    sentence for each folder that could not be searched."""

    paths: dict[Path, Path] = field(default_factory=dict)
    troubles: dict[Path, str] = field(default_factory=dict)


def find_roots(settings: Settings) -> tuple[Path, ...]:
    """The user's models folder, then the configured folders of other programs, without duplicates."""
    chosen = (expand_folder(folder) for folder in preferences.read(settings.data).extra_models)
    return tuple(dict.fromkeys((settings.models, *settings.extra_models, *chosen)))


def find_wildcard_folders(settings: Settings) -> tuple[Path, ...]:
    """The folders of wildcard files (:mod:`engine.prompt.wildcards`): in and beside the models folder, and in those of other
    programs and of their extensions."""
    return _find_folders(settings, WILDCARDS, "custom_wildcards")


def find_tag_folders(settings: Settings) -> tuple[Path, ...]:
    """The folders of lists of tags, in the same places."""
    return _find_folders(settings, TAGS)


def _find_folders(settings: Settings, own_name: str, *names_elsewhere: str) -> tuple[Path, ...]:
    roots = find_roots(settings)
    own = [settings.models.parent / own_name, *(root / own_name for root in roots)]
    patterns = [f"{place}/*/{name}" for place in ("extensions", "custom_nodes") for name in (own_name, *names_elsewhere)]
    others = [found for root in roots if find_program(root) for pattern in patterns for found in sorted(root.glob(pattern))]
    return tuple(dict.fromkeys(folder for folder in (*own, *others) if os.path.isdir(folder)))


def expand_folder(named: str) -> Path:
    """The folder that a user entered, with ``~`` expanded. Never raises; the folder may not exist."""
    return Path(os.path.expanduser(text_to_name(named)))


def check_folder(named: str) -> None:
    """Raises CheckpointError, a sentence, for a folder that cannot be a search path. One that does not exist can: its drive may
    be disconnected."""
    folder = expand_folder(named)
    reason = _find_fault(named, folder)
    if not reason:
        try:
            reason = "" if not os.path.lexists(folder) else _find_fault_of_existing(folder)
        except OSError as error:
            reason = f"Easel may not look into it ({error.strerror})"
    if reason:
        raise CheckpointError(f"The folder “{named[:200]}” was not saved: {reason}. Correct it, or choose another one.")


def _find_fault(named: str, folder: Path) -> str:
    if any(letter < " " or letter == "\x7f" for letter in named):
        return "its name contains a character that is not allowed"
    if named.startswith("~") and str(folder).startswith("~"):
        return f"there is no user called “{folder.parts[0][1:]}” on this computer. To use your own folder, begin with ~/"
    if len(os.fsencode(folder)) > _LONGEST_PATH or any(len(os.fsencode(part)) > _LONGEST_NAME for part in folder.parts):
        return "its name is too long for this system"
    return ""


def _find_fault_of_existing(folder: Path) -> str:
    """Raises OSError if access is denied."""
    found = os.stat(folder)
    if not stat.S_ISDIR(found.st_mode):
        return "it is not a folder"
    if is_of_system(found):
        return "it belongs to the operating system"
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, 1):
            entry.stat(follow_symlinks=False)
    return ""


def find_candidates(settings: Settings) -> Candidates:
    """All candidates, each with the first search path that contains it."""
    found = Candidates()
    for root in find_roots(settings):
        if root != settings.models and not os.path.isdir(root):
            found.troubles[root] = (
                f"The folder “{root}” was not found. Connect its drive, or remove the folder on the Settings tab."
            )
            continue
        below = find_below(root)
        for path in below.paths:
            found.paths.setdefault(path, root)
        for path, trouble in below.troubles.items():
            found.troubles.setdefault(path, trouble)
    return found


def find_program(root: Path) -> str:
    """The program whose main folder is ``root``, or ""."""
    return next((name for mark, name in PROGRAMS.items() if os.path.exists(root / mark)), "")


def find_below(root: Path) -> Candidates:
    """The candidates under ``root``. Hidden files, part-files and virtual file systems are skipped."""
    found = Candidates()
    for start in [root / place for place in PLACES] if find_program(root) else [root]:
        walk = _Walk(start)
        walk.run()
        found.paths.update(dict.fromkeys(sorted(walk.paths, key=walk.order), root))
        found.troubles.update(walk.troubles)
    return found


class _Walk:
    """Searches a folder breadth-first and links last, so that a link to a whole disk does not hide the files beside it.

    ``paths``: files and folders to examine; ``troubles``: a sentence for each folder that could not be searched.
    """

    def __init__(self, start: Path) -> None:
        self.paths: list[Path] = []
        self.troubles: dict[Path, str] = {}
        self._start = start
        self._folders: set[Path] = set()
        self._seen: set[str] = set()
        self._waiting, self._linked = deque([start]), deque[Path]()
        self._entries = 0

    def run(self) -> None:
        end = time.monotonic() + MOST_SECONDS
        while self._waiting or self._linked:
            if len(self._seen) >= MOST_FOLDERS or self._entries >= MOST_ENTRIES or time.monotonic() > end:
                self.troubles.setdefault(
                    self._start,
                    f"“{self._start}” holds more files and folders than Easel looks through, so some are not listed. "
                    "Move other files out of it, or remove links to other disks.",
                )
                return
            folder = (self._waiting or self._linked).popleft()
            try:
                with translate_any_error(CheckpointError, str(folder)):
                    self._look_into(folder)
            except CheckpointError as error:
                self.troubles[folder] = str(error)

    def order(self, path: Path) -> tuple[tuple[int, bool, str], ...]:
        """A sort key: files before sub-folders, and safetensors before other files."""
        *folders, name = path.relative_to(self._start).parts or ("",)
        is_last = (0, not name.endswith(ENDINGS[0]), name) if path not in self._folders else (1, False, name)
        return *((1, False, folder) for folder in folders), is_last

    def _look_into(self, folder: Path) -> None:
        try:
            state = folder.stat()
        except FileNotFoundError:
            return
        if is_of_system(state):
            raise CheckpointError(
                f"“{folder}” was left out: it belongs to the operating system. Remove the link, or choose another folder."
            )
        if len(folder.relative_to(self._start).parts) > MOST_DEPTH:
            raise CheckpointError(f"“{folder}” was left out: it is nested too deeply. Move it up, or add it on the Settings tab.")
        place = os.path.realpath(folder)
        if place in self._seen:  # a link that leads to a parent folder
            return
        self._seen.add(place)
        subfolders, files = self._list(folder)
        if FOLDER_INDEX in files:
            self.paths.append(folder)
            self._folders.add(folder)
            parts = _find_components(folder)
            holds_others = folder == self._start or folder.name.casefold() in SORTED
            if parts & subfolders.keys() and not holds_others:
                return
            subfolders = {name: is_link for name, is_link in subfolders.items() if name not in parts}
        elif is_captioner_folder(folder, files):
            self.paths.append(folder)
            self._folders.add(folder)
            files = [name for name in files if not CAPTIONER_WEIGHTS.fullmatch(name)]
        elif is_control_folder(folder, files):
            self.paths.append(folder)
            self._folders.add(folder)
            files = [name for name in files if name not in COMPONENT_WEIGHTS and not _SHARD.fullmatch(name)]
        self.paths += [folder / name for name in files if _is_wanted(name)]
        for name in sorted(subfolders):
            (self._linked if subfolders[name] else self._waiting).append(folder / name)

    def _list(self, folder: Path) -> tuple[dict[str, bool], list[str]]:
        """The sub-folders to search, and whether each is a link; and the names of everything else."""
        subfolders: dict[str, bool] = {}
        files: list[str] = []
        with os.scandir(folder) as entries:
            for entry in itertools.islice(entries, MOST_ENTRIES - self._entries):
                self._entries += 1
                if not _is_folder(entry):
                    files.append(entry.name)
                elif not _is_skipped(entry.name):
                    subfolders[entry.name] = entry.is_symlink()
        return subfolders, files


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder without access
        return False


def _is_skipped(name: str) -> bool:
    """Whether to skip a folder: of no use to Easel, hidden, or still being downloaded."""
    return name.casefold() in SKIPPED or name.startswith(".") or name.endswith(".part")


def _is_wanted(name: str) -> bool:
    return name.casefold().endswith(ENDINGS) and not name.startswith(".")


def _find_components(folder: Path) -> frozenset[str]:
    """The folders of a checkpoint's components; diffusers' names if its ``model_index.json`` cannot be read."""
    try:
        return _COMPONENTS | components(folder).keys()
    except CheckpointError:
        return _COMPONENTS


def list_names(root: Path, path: Path) -> Iterator[str]:
    """The names for ``path`` under ``root``: without extension and sorting folders, without extension, in full."""
    short = path.relative_to(root) if path != root else Path(root.name)
    plain = short if os.path.isdir(path) else short.with_suffix("")
    sorting = next((i for i, part in enumerate(plain.parts) if part.casefold() not in SORTED), len(plain.parts) - 1)
    yield Path(*plain.parts[sorting:]).as_posix()
    yield plain.as_posix()
    yield short.as_posix()
    yield str(path)
