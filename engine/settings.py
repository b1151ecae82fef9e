"""Where files are stored, and the options that apply to all requests."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from engine.errors import OutputError

VERSION = "0.1.0"
"""Easel's own version, as written into every image."""

HOUSE = Path(__file__).resolve().parent.parent
"""The folder that Easel lies in."""


def expand_user(folder: Path) -> Path:
    """``folder`` with ``~`` replaced by the user's own folder. Raises OutputError for a user that there is not."""
    expanded = Path(os.path.expanduser(folder))
    if str(expanded).startswith("~"):
        raise OutputError(
            f"The folder “{folder}” cannot be used: there is no user called “{expanded.parts[0][1:]}” on this computer. "
            "To use your own folder, begin with ~/."
        )
    return expanded


def _folder(variable: str, default: Path) -> Path:
    return expand_user(Path(os.environ.get(variable) or default))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Folders and general options. Nothing is created or read until it is needed.

    ``models``: checkpoints; ``extra_models``: further folders, read only; ``outputs``: finished images; ``data``: the
    journal and caches, on a local disk; ``device``: ``"auto"`` or a torch device string; ``precision``: ``"auto"``,
    ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    The environment variables EASEL_MODELS, EASEL_OUTPUTS and EASEL_DATA move the folders.
    """

    models: Path = field(default_factory=lambda: _folder("EASEL_MODELS", HOUSE / "models"))
    extra_models: tuple[Path, ...] = ()
    outputs: Path = field(default_factory=lambda: _folder("EASEL_OUTPUTS", HOUSE / "outputs"))
    data: Path = field(default_factory=lambda: _folder("EASEL_DATA", Path(platformdirs.user_data_dir("Easel", appauthor=False))))
    device: str = "auto"
    precision: str = "auto"

    @property
    def drafts(self) -> Path:
        """The folder of drafts, of which only the newest are kept, outside of the outputs."""
        return self.data / "drafts"
