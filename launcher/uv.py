"""Finds ``uv``, the installer, or downloads it: with pip if available, else from its release page."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import shutil
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path
from typing import Callable, Iterator

from launcher.commands import read_output, run
from launcher.folder import Folder
from launcher.process.variables import PIP
from launcher.progress import Progress
from launcher.setup_errors import SetupError, explain_output

UV_VERSION = "0.13.9"
"""The version that Easel is tested with and installs."""

UV_FLOOR = (0, 13)
"""Older versions may not know the current builds of PyTorch."""

NAME = "uv.exe" if os.name == "nt" else "uv"
FOLDERS = ("~/.local/bin", "~/.cargo/bin", "/opt/homebrew/bin", "/usr/local/bin")
PIP_WHEELS = "/usr/share/python-wheels"
"""Where Debian and its kin keep pip's wheel even if pip itself is not installed."""

# (system, machine) -> what its release is called; Linux without glibc takes the other one.
TARGETS = {
    ("Linux", "x86_64"): "x86_64-unknown-linux-gnu",
    ("Linux", "aarch64"): "aarch64-unknown-linux-gnu",
    ("Darwin", "arm64"): "aarch64-apple-darwin",
    ("Darwin", "x86_64"): "x86_64-apple-darwin",
    ("Windows", "AMD64"): "x86_64-pc-windows-msvc",
    ("Windows", "ARM64"): "aarch64-pc-windows-msvc",
}


def find_or_install(folder: Folder, progress: Progress) -> Path:
    """The path of a ``uv`` that runs and is new enough. Raises :class:`SetupError` when there is no way to get one."""
    for candidate in list_candidates(folder):
        if is_usable(candidate):
            return candidate
    failure = None
    for way, source in ((install_with_pip, "with this Python's pip"), (install_release, "from its release page")):
        progress.say(f"Downloading uv {UV_VERSION} {source}")
        try:
            return install_uv(way, folder, progress)
        except SetupError as error:
            failure = failure or error
            progress.say(f"That did not work: {error.what}")
    assert failure is not None
    raise SetupError(f"Easel's installer (uv) could not be fetched. {failure.what}", failure.then, failure.kind)


def list_candidates(folder: Folder) -> Iterator[Path]:
    """Where uv may be: first the user's own, then Easel's."""
    on_path = shutil.which("uv")
    if on_path:
        yield Path(on_path)
    for place in FOLDERS:
        yield Path(place).expanduser() / NAME
    yield from own_candidates(folder)


def own_candidates(folder: Folder) -> tuple[Path, ...]:
    return (folder.tools / "bin" / NAME, folder.tools / "Scripts" / NAME, folder.tools / NAME)


def is_usable(uv: Path) -> bool:
    """Whether it runs and is not older than :data:`UV_FLOOR`."""
    if not uv.is_file():
        return False
    version = re.search(r"uv (\d+)\.(\d+)", read_output([uv, "--version"]) or "")
    return version is not None and (int(version.group(1)), int(version.group(2))) >= UV_FLOOR


def install_uv(way: Callable[[Folder, Progress], None], folder: Folder, progress: Progress) -> Path:
    try:
        folder.tools.mkdir(exist_ok=True)
        way(folder, progress)
    except OSError as error:
        raise explain_output([str(error)]) from error
    found = next((path for path in own_candidates(folder) if is_usable(path)), None)
    if found is None:
        raise SetupError("What was fetched does not run on this computer.", "Install uv by hand and start again.", "uv")
    return found


def install_with_pip(folder: Folder, progress: Progress) -> None:
    """Install uv with this Python's pip."""
    failure = None
    for pip in find_pips():
        command = [*pip, "install", "--quiet", "--upgrade", "--target", folder.tools, f"uv=={UV_VERSION}"]
        try:
            run(command, folder.root, progress, PIP)
            return
        except SetupError as error:
            failure = failure or error
    raise failure or SetupError("This Python has no pip.", "Install pip, or uv itself, and start again.", "uv")


def find_pips() -> Iterator[list[str]]:
    """Each way to run pip that there is: installed, or as a wheel, which runs without being installed."""
    if read_output([sys.executable, "-m", "pip", "--version"]):
        yield [sys.executable, "-m", "pip"]
    bundled = Path(os.__file__).parent / "ensurepip" / "_bundled"
    for wheels in (bundled, Path(PIP_WHEELS)):
        for wheel in sorted(wheels.glob("pip-*.whl")):
            yield [sys.executable, str(wheel / "pip")]


def install_release(folder: Folder, progress: Progress) -> None:
    """Download uv from its release page."""
    base = os.environ.get("UV_INSTALLER_GITHUB_BASE_URL", "https://github.com")
    name = release_name()
    address = f"{base}/astral-sh/uv/releases/download/{UV_VERSION}/{name}"
    progress.log_line(f"Fetching {address}")
    archive, checksum = fetch(address), fetch(address + ".sha256").decode("ascii", "replace")
    if hashlib.sha256(archive).hexdigest() not in checksum.lower():
        raise explain_output(["checksum does not match"])
    (folder.tools / NAME).write_bytes(unpack(archive, name))
    (folder.tools / NAME).chmod(0o755)


def release_name() -> str:
    target = TARGETS.get((platform.system(), platform.machine()))
    if target is None:
        raise SetupError(
            f"There is no uv for this computer ({platform.system()} on {platform.machine()}).",
            "Easel needs 64-bit Windows, Linux or macOS.",
            "build",
        )
    if target.endswith("linux-gnu") and platform.libc_ver()[0] != "glibc":
        target = target.replace("gnu", "musl")
    return f"uv-{target}{'.zip' if platform.system() == 'Windows' else '.tar.gz'}"


def fetch(address: str) -> bytes:
    """The file at ``address``; OSError (urllib's errors are of that kind) when it cannot be had."""
    with urllib.request.urlopen(address, timeout=60) as reply:
        return reply.read()


def unpack(archive: bytes, name: str) -> bytes:
    """The program ``uv`` in a release archive, wherever in it the program lies."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            return packed.read(next(member for member in packed.namelist() if Path(member).name == NAME))
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        program = packed.extractfile(next(member for member in packed if Path(member.name).name == NAME))
        assert program is not None
        return program.read()
