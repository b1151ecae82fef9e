"""The steps of an update and of the way back. Until the new version has drawn a picture, everything of the old one is kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Sequence, Union

from launcher.commands import build_environment
from launcher.folder import Folder, read_json, write_json
from launcher.process.variables import STUDIO
from launcher.setup_errors import SetupError
from launcher.update.new_version import NO_SOURCE, ArchiveSource, CloneSource, Kept

Source = Union[CloneSource, ArchiveSource]

PICTURE = ("make", "a cat", "--seed", "1", "--steps", "2")
"""The command of the trial picture."""

UP_TO_DATE = "Easel {version} is the newest version."
NO_WAY_BACK = SetupError("There is no earlier version to go back to.", "Only the last update can be taken back, once.")


def update(folder: Folder, archive: str, rest: Sequence[str]) -> int:
    """Put a new version in place: that of ``archive``, a file or an address, or "" for the remote of the clone. ``rest`` are the
    studio's flags, which say where the data of a running Easel is. The exit status."""
    source: Source = ArchiveSource(folder, archive) if archive else choose_clone(folder)
    before = folder.version
    if not source.fetch():
        print(UP_TO_DATE.format(version=before), flush=True)
        return 0
    end_running(folder, rest)
    kept = source.put_in_place()
    try:
        try_version(folder)
    except BaseException as error:
        source.undo(kept)
        folder.take_environment_back(folder.before_update)
        if not isinstance(error, SetupError):
            raise
        print(f"The new version does not work here, so Easel {before} is back. {error}", file=sys.stderr, flush=True)
        return 1
    write_json(state_file(folder), {"archive": bool(archive), "version": before, **asdict(kept)})
    print(f"Easel {folder.version} is in place of {before}. Start it as always; ./launch.sh --back returns.", flush=True)
    return 0


def go_back(folder: Folder, rest: Sequence[str]) -> int:
    """Return to the version before the last update. Pictures, favourites, presets and jobs stay. The exit status."""
    written = read_json(state_file(folder))
    if not written:
        raise NO_WAY_BACK
    kept = Kept(written["commit"], written["names"])
    source: Source = ArchiveSource(folder, "") if written["archive"] else CloneSource(folder)
    if isinstance(source, CloneSource):
        source.refuse_changes()
    end_running(folder, rest)
    source.undo(kept)
    state_file(folder).unlink()
    prepare_environment(folder)
    print(f"Easel {folder.version} is back. Start it as always.", flush=True)
    return 0


def state_file(folder: Folder) -> Path:
    """What the last update left for the way back."""
    return folder.state / "before-update.json"


def choose_clone(folder: Folder) -> CloneSource:
    """The clone that the folder is. Raises SetupError."""
    if not (folder.root / ".git").exists() or not shutil.which("git"):
        raise NO_SOURCE
    return CloneSource(folder)


def end_running(folder: Folder, rest: Sequence[str]) -> None:
    """Let an Easel that runs finish its picture, and end it. Its jobs wait for the next start. Raises SetupError."""
    if not folder.python.exists():
        return
    flags = [part for name in ("--data",) for part in read_flag(rest, name)]
    done = call(folder, ["quit", *flags])
    if done.returncode != 0:
        raise SetupError(done.stderr.strip() or "The Easel that runs could not be ended.", "End it, and try again.")


def read_flag(rest: Sequence[str], name: str) -> list[str]:
    """A flag with its value, as it stands in ``rest``; empty if it is not there."""
    for index, part in enumerate(rest):
        if part == name:
            return list(rest[index : index + 2])
        if part.startswith(name + "="):
            return [part]
    return []


def try_version(folder: Folder) -> None:
    """Make the environment of the version in place, and a picture with it. Raises SetupError."""
    if not folder.is_ready(set()):
        folder.set_environment_aside(folder.before_update)
    prepare_environment(folder)
    with tempfile.TemporaryDirectory(prefix="easel-trial-") as name:
        picture = Path(name) / "cat.png"
        folders = ["--data", str(Path(name) / "data"), "--outputs", str(Path(name) / "outputs")]
        done = call(folder, [*PICTURE, "--out", str(picture), *folders])
        if done.returncode != 0 or not picture.exists():
            raise SetupError("It drew no picture.", last_line(done.stderr) or last_line(done.stdout))
    shutil.rmtree(str(folder.before_update), ignore_errors=True)


def prepare_environment(folder: Folder) -> None:
    """Let the version in place set itself up, with its own launcher. Raises SetupError."""
    extras = [part for extra in sorted(folder.installed_extras()) for part in ("--extra", extra)]
    command = [sys.executable, str(folder.root / "launch.py"), "--setup-only", "--no-browser", *extras]
    done = subprocess.run(command, cwd=str(folder.root), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError("Its parts could not be installed.", last_line(done.stdout) or last_line(done.stderr))


def call(folder: Folder, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A command of the version in place."""
    command = [str(folder.python), str(folder.root / "app.py"), *words]
    return subprocess.run(command, env=build_environment(STUDIO), capture_output=True, text=True, check=False)


def last_line(text: str) -> str:
    """The last line with anything in it."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
