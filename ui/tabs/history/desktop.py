"""What only works on the computer that Easel runs on: showing a file in the file manager, and moving it to the trash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engine.errors import EaselError
from ui import sentences

HERE = ("127.0.0.1", "::1", "localhost")
"""The addresses of a browser on this computer."""

_SHOW: dict[str, Callable[[Path], list[str]]] = {
    "win32": lambda path: ["explorer", f"/select,{path}"],
    "darwin": lambda path: ["open", "-R", str(path)],
}
"""Platform -> the command that shows a file marked in its folder. Elsewhere the folder is opened."""


class DesktopError(EaselError):
    """The computer has no such service, or the user is at another computer."""


def show_file(path: Path, asked_from: str) -> None:
    """Show a file in the computer's file manager. Raises DesktopError, which contains its path, if that is not possible."""
    command = _SHOW.get(sys.platform, lambda path: ["xdg-open", str(path.parent)])(path)
    headless = sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if asked_from not in HERE or headless or shutil.which(command[0]) is None:
        raise DesktopError(sentences.file_location(path))
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    subprocess.Popen(command, start_new_session=True, **quiet)


def move_to_trash(path: Path) -> None:
    """Move a file to the system's trash. Raises DesktopError if there is no trash for it; then the file stays."""
    from send2trash import send2trash  # imported late, because it looks for the trash when it is imported

    try:
        send2trash(path)
    except (OSError, UnicodeError) as error:  # send2trash accepts only names that are valid text
        raise DesktopError(sentences.trash_failure(path)) from error
