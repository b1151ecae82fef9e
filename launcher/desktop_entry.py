"""The entry in the applications menu of a Linux desktop. Only on request."""

from __future__ import annotations

import os
import platform
from functools import partial
from pathlib import Path
from typing import Callable

from launcher.folder import Folder, write_text

ENTRY = """[Desktop Entry]
Type=Application
Version=1.5
Name=Easel
Comment=Make pictures with Stable Diffusion on this computer
Exec={command}
Path={path}
Icon=applications-graphics
Terminal=false
Categories=Graphics;
"""


def find_entry_path() -> Path:
    """Where the desktop looks for the user's entries."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "applications" / "easel.desktop"


def render_entry(folder: Folder) -> str:
    return ENTRY.format(command=f"sh {quote_argument(str(folder.root / 'launch.sh'))}", path=escape_value(str(folder.root)))


def quote_argument(path: str) -> str:
    """An argument of ``Exec=``: quoted as the desktop entry specification says, then escaped like every value."""
    for sign in ("\\", '"', "`", "$"):
        path = path.replace(sign, "\\" + sign)
    return escape_value('"' + path.replace("%", "%%") + '"')


def escape_value(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def write_entry(folder: Folder) -> Path:
    """Write the entry and return where. Raises OSError."""
    path = find_entry_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render_entry(folder))
    return path


def find_offer(folder: Folder) -> Callable[[], object] | None:
    """The function that creates the entry, or None if this is not a Linux desktop or the entry exists."""
    if platform.system() != "Linux":
        return None
    path = find_entry_path()
    if path.exists() and path.read_text("utf-8", "replace") == render_entry(folder):
        return None
    return partial(write_entry, folder)
