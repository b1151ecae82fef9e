"""Where a new version comes from: the remote of a clone, or an archive. Each is put in place of the present one and undone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Sequence

from launcher.folder import Folder
from launcher.setup_errors import SetupError, explain_output

GIT_SECONDS = 600

MEGABYTE = 2**20
SPARE = 200 * MEGABYTE
"""Bytes that stay free on the disk."""

NOT_REPLACED = (".git", ".venv", ".uv", ".launch", "outputs", "models", "node_modules")
"""What lies in Easel's folder and belongs to its user. Of ``models``, what Easel brings is replaced piece by piece."""

_NEEDED = ("launch.py", "app.py", "pyproject.toml", "engine", "launcher", "ui")
"""What every version of Easel has."""

NO_SOURCE = SetupError(
    "This Easel was not cloned, so it does not know where a new version comes from.",
    "Download the new version as an archive and give it: ./launch.sh --update FILE (or its address).",
)


@dataclass(frozen=True)
class Kept:
    """What the way back needs: the ``commit`` of a clone, or the ``names`` of what an archive has replaced."""

    commit: str = ""
    names: Sequence[str] = ()


class CloneSource:
    """The branch that the clone follows."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.before = ""
        self.new = ""

    def fetch(self) -> bool:
        """Bring the newest version here; False if it is the present one. Raises SetupError, and then nothing was changed."""
        if not self._ask("rev-parse", "--verify", "--quiet", "@{upstream}"):
            raise NO_SOURCE
        self.refuse_changes()
        self._run("fetch", "--quiet")
        self.before, self.new = self._run("rev-parse", "HEAD"), self._run("rev-parse", "@{upstream}")
        if self.before == self.new or self._run("merge-base", self.new, self.before) == self.new:
            return False
        if self._run("merge-base", self.before, self.new) != self.before:
            raise SetupError(
                "This clone has commits of its own, so the new version cannot simply take its place.",
                "Merge it with git pull, and start Easel again.",
            )
        return True

    def refuse_changes(self) -> None:
        """Raise SetupError if files of Easel's were changed."""
        changed = self._run("diff", "--name-only", "HEAD").splitlines()
        if changed:
            names = ", ".join(changed[:5])
            raise SetupError(
                f"Files of Easel's were changed here: {names}. An update would lose that.",
                "Put the changes away with git stash, or undo them with git checkout, and try again.",
            )

    def put_in_place(self) -> Kept:
        """Make the new version the present one; what :meth:`undo` needs."""
        self._run("merge", "--ff-only", "--quiet", self.new)
        return Kept(commit=self.before)

    def undo(self, kept: Kept) -> None:
        """Make the version before the present one again."""
        self._run("reset", "--hard", "--quiet", kept.commit)

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.folder.root), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    def _run(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder.root), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GIT_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise explain_output([str(error)]) from error
        if done.returncode != 0:
            raise explain_output(done.stderr.splitlines() or [f"git {arguments[0]} failed"])
        return done.stdout.strip()


class ArchiveSource:
    """A .zip or .tar.gz file with a version of Easel, or the address of one."""

    def __init__(self, folder: Folder, archive: str) -> None:
        self.folder, self.archive = folder, archive
        self.place = folder.state / "update"
        self.tree = self.place / "new"

    def fetch(self) -> bool:
        """Unpack the version. Raises SetupError, and then nothing was changed."""
        shutil.rmtree(str(self.tree), ignore_errors=True)
        self.place.mkdir(parents=True, exist_ok=True)
        try:
            self._unpack(self._find_file())
        except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
            shutil.rmtree(str(self.tree), ignore_errors=True)
            raise explain_archive(self.archive, error) from error
        return True

    def _find_file(self) -> Path:
        if not self.archive.startswith(("http://", "https://")):
            path = Path(self.archive).expanduser()
            if path.exists() and not path.is_file():
                raise ValueError("it is not a file")
            return path
        target = self.place / "archive"
        try:
            with urllib.request.urlopen(self.archive, timeout=60) as answer, target.open("wb") as file:
                while piece := answer.read(MEGABYTE):
                    self._check_room(len(piece))  # a server may send without end
                    file.write(piece)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return target

    def _unpack(self, path: Path) -> None:
        unpacked = self.place / "unpacked"
        shutil.rmtree(str(unpacked), ignore_errors=True)
        if zipfile.is_zipfile(str(path)):
            with zipfile.ZipFile(str(path)) as packed:
                self._check([each.filename for each in packed.infolist()], sum(each.file_size for each in packed.infolist()))
                for each in packed.infolist():
                    target = packed.extract(each, str(unpacked))
                    mode = each.external_attr >> 16 & 0o777
                    if mode and not each.is_dir():
                        os.chmod(target, mode)
        else:
            with tarfile.open(str(path)) as packed:
                members = [each for each in packed.getmembers() if each.isfile() or each.isdir()]
                self._check([each.name for each in members], sum(each.size for each in members))
                packed.extractall(str(unpacked), members=members)
        os.replace(str(_find_root(unpacked)), str(self.tree))
        shutil.rmtree(str(unpacked), ignore_errors=True)

    def _check(self, names: Sequence[str], size: int) -> None:
        """Raise ValueError for a name that leads out of the folder, SetupError where the disk has no room."""
        for name in names:
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in name:
                raise ValueError(f"it holds a file called {name!r}")
        self._check_room(2 * size)

    def _check_room(self, size: int) -> None:
        """Raise SetupError where the disk has no room for so many bytes more."""
        free = shutil.disk_usage(str(self.place)).free
        if free < size + SPARE:
            raise SetupError(
                f"The new version needs about {(size + SPARE) / MEGABYTE:.0f} MB of free disk space, and there are "
                f"{free / MEGABYTE:.0f} MB.",
                "Make room there and try again.",
                "disk",
            )

    def put_in_place(self) -> Kept:
        """Make the new version the present one; what :meth:`undo` needs. The old files are kept beside it."""
        old = self.place / "old"
        shutil.rmtree(str(old), ignore_errors=True)
        moved: list[str] = []
        try:
            for name in list_pieces(self.tree):
                _swap(self.folder.root / name, old / name, self.tree / name)
                moved.append(name)
        except OSError:
            self.undo(Kept(names=moved))
            raise
        return Kept(names=moved)

    def undo(self, kept: Kept) -> None:
        """Make the version before the present one again."""
        for name in reversed(kept.names):
            _swap(self.folder.root / name, self.tree / name, self.place / "old" / name)


def list_pieces(tree: Path) -> list[str]:
    """What a version consists of: files and folders that are replaced as a whole."""
    top = [path.name for path in sorted(tree.iterdir()) if path.name not in NOT_REPLACED]
    models = tree / "models"
    return [*top, *(f"models/{path.name}" for path in sorted(models.iterdir()))] if models.is_dir() else top


def _swap(place: Path, away: Path, new: Path) -> None:
    """Move what is at ``place`` to ``away``, and ``new`` to ``place``; either may be missing. Raises OSError, and then both lie
    where they lay."""
    there = os.path.lexists(str(place))
    if there:
        away.parent.mkdir(parents=True, exist_ok=True)
        os.replace(str(place), str(away))
    try:
        if os.path.lexists(str(new)):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(str(new), str(place))
    except OSError:
        if there:
            os.replace(str(away), str(place))
        raise


def _find_root(unpacked: Path) -> Path:
    """Easel's folder inside an archive, which may have one folder around it. Raises ValueError."""
    found = [unpacked, *(path for path in sorted(unpacked.iterdir()) if path.is_dir())]
    for path in found:
        if all((path / name).exists() for name in _NEEDED) and Folder(path).version != "unknown":
            return path
    raise ValueError("there is no Easel in it")


def explain_archive(archive: str, error: BaseException) -> SetupError:
    """A sentence on an archive that cannot be used."""
    if isinstance(error, SetupError):
        return error
    if isinstance(error, urllib.error.URLError) or (isinstance(error, OSError) and error.errno == 28):
        return explain_output([str(error)])
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return SetupError(
        f"“{archive}” cannot be used as a new version: {reason}.", "Give a .zip or .tar.gz file of Easel, or its address."
    )
