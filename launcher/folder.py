"""The folders of the set-up, and the stamp that records what is done."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

SETUP_VERSION = 1
"""Raise it when environments made by an older launcher must be updated."""


@dataclass(frozen=True)
class Installed:
    """What the set-up found out about the graphics card.

    ``backend`` is uv's name of PyTorch's build. ``note`` is a sentence on why the card is not used, "" if it is; the studio shows
    it (:func:`engine.plan.hardware.system.read_setup_note`). ``variables`` are environment variables that the card needs.
    """

    backend: str = ""
    note: str = ""
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Folder:
    """Easel's folder; all paths of the set-up are below ``root``."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter, whether or not it is there yet."""
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def tools(self) -> Path:
        """Where ``uv`` is put when the computer has none."""
        return self.root / ".uv"

    @property
    def repair_cache(self) -> Path:
        """The cache used by a repair, because uv's own cache may be broken. Removed afterwards."""
        return self.tools / "repair"

    @property
    def state(self) -> Path:
        """SetupLock, address of the progress page, log."""
        return self.root / ".launch"

    @property
    def stamp(self) -> Path:
        return self.venv / "easel-stamp.json"

    @property
    def unfinished(self) -> Path:
        """Exists while packages are being installed and tried. If it is found at a start, the last set-up was interrupted."""
        return self.venv / "easel-unfinished"

    @property
    def version(self) -> str:
        found = re.search(r'^version = "(.+)"', (self.root / "pyproject.toml").read_text("utf-8"), re.M)
        return found.group(1) if found else "unknown"

    def fingerprint(self) -> str:
        """Changes with everything that an environment is made from. Line endings do not count."""
        parts = [str(SETUP_VERSION).encode()]
        parts += [path.read_bytes() for path in (self.root / "pyproject.toml", *sorted(self.root.glob("constraints*.txt")))]
        return hashlib.sha256(b"\0".join(part.replace(b"\r\n", b"\n") for part in parts)).hexdigest()

    def installed_extras(self) -> set[str]:
        return set(read_json(self.stamp).get("extras", ()))

    def read_installed(self) -> Installed:
        """What :meth:`mark_ready` recorded; empty if nothing was recorded or an older launcher did."""
        stamp = read_json(self.stamp)
        variables = stamp.get("variables")
        return Installed(
            str(stamp.get("backend", "")),
            str(stamp.get("note", "")),
            {str(name): str(value) for name, value in variables.items()} if isinstance(variables, dict) else {},
        )

    def is_ready(self, extras: set[str]) -> bool:
        """True when the environment was finished from the present files and has at least ``extras``."""
        return self.was_finished(extras) and self.python.exists()

    def was_finished(self, extras: set[str]) -> bool:
        """Like :meth:`is_ready`, even if its Python has been removed since."""
        stamp = read_json(self.stamp)
        return (
            stamp.get("fingerprint") == self.fingerprint()
            and extras <= set(stamp.get("extras", ()))
            and not self.unfinished.exists()
        )

    def mark_ready(self, extras: set[str], installed: Installed | None = None) -> None:
        """Record that the set-up is complete."""
        stamp = {"fingerprint": self.fingerprint(), "extras": sorted(extras), **asdict(installed or Installed())}
        write_json(self.stamp, stamp)
        self.unfinished.unlink(missing_ok=True)

    def mark_unfinished(self) -> None:
        """From here until :meth:`mark_ready` the environment must not be trusted."""
        self.unfinished.touch()

    @property
    def set_aside(self) -> Path:
        """Where the environment is kept while a repair makes a new one."""
        return self.state / "environment-before-repair"

    @property
    def before_update(self) -> Path:
        """Where the environment is kept until a new version has drawn a picture."""
        return self.state / "environment-before-update"

    def set_environment_aside(self, place: Optional[Path] = None) -> None:
        """Move a finished environment away, so that it can be taken back if the new one cannot be made."""
        place = place or self.set_aside
        if self.unfinished.exists() or not self.python.exists():
            self.delete_environment()
        else:
            self.state.mkdir(exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            os.replace(self.venv, place)

    def take_environment_back(self, place: Optional[Path] = None) -> None:
        """Undo :meth:`set_environment_aside`, if it moved anything."""
        place = place or self.set_aside
        if place.exists():
            self.delete_environment()
            os.replace(place, self.venv)

    def delete_environment(self) -> None:
        """Delete the environment. Downloads stay in uv's cache."""
        if self.venv.is_dir():
            shutil.rmtree(self.venv)
        self.venv.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """The object in ``path``; empty when there is no such file or it was cut off."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the file ``path`` at once. Raises OSError."""
    write_text(path, json.dumps(value, indent=1))


def write_text(path: Path, text: str) -> None:
    """Replace the file ``path`` at once: write beside it, sync, rename. Raises OSError."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
