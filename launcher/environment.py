"""From an empty folder to an environment that runs: uv, Python, packages, one calculation.

A phase that was interrupted is repeated at the next start.
"""

from __future__ import annotations

import os
import platform
import shutil
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

from launcher import uv as installer
from launcher.commands import build_environment, read_output, run
from launcher.folder import Folder
from launcher.progress import Progress
from launcher.setup_errors import SetupError, explain_output
from launcher.trial_calculation import check_device

PYTHONS = (3, 11), (3, 15)
"""From the first, below the second: the versions that PyTorch is published for."""

TORCH_INDEX = "https://download.pytorch.org/whl/cpu/"
GIGABYTE = 10**9
NEEDED = {"cuda": 8 * GIGABYTE, "cpu": 3 * GIGABYTE}
"""Disk space that a first set-up needs, measured on Linux with uv 0.13 and PyTorch 2.15 and rounded up."""


UNWANTED = ("openvino-telemetry",)
"""Packages whose only purpose is to send usage reports. pyproject.toml keeps them out, but an older Easel, or uv told to
ignore that file's
settings (UV_NO_CONFIG), brought them in."""


def prepare(folder: Folder, progress: Progress, extras: set[str], anew: bool = False) -> None:
    """Make the environment ready unless it is; ``anew`` also then, and without trusting what was fetched before.

    Raises :class:`SetupError`; what was fetched until then is kept.
    """
    try:
        finished = folder.was_finished(extras)
        replaced = finished and is_replaced(folder.python)
        if finished and not replaced and not anew:
            return
        extras = extras | folder.installed_extras()
        if replaced and not anew:
            progress.note("The Python that Easel's environment was made with has been replaced, so the environment is made anew.")
            if rebuild(folder, progress, extras):
                return
        if anew:
            folder.delete_environment()
        set_up(folder, progress, extras, ["--cache-dir", folder.repair_cache] if anew else [])
        shutil.rmtree(folder.repair_cache, ignore_errors=True)
    except OSError as error:
        raise explain_output([str(error), getattr(error, "strerror", "") or ""]) from error


def set_up(folder: Folder, progress: Progress, extras: set[str], options: list[str | Path]) -> None:
    """Run the phases in order. ``options`` are for uv's installation."""
    progress.start_phase("installer")
    uv = installer.find_or_install(folder, progress)
    progress.start_phase("python")
    fresh = create_venv(folder, uv, progress)
    progress.start_phase("packages")
    automatic = choose_index(progress)
    if fresh:
        check_disk_space(folder, uv, "cuda" if is_cuda_build(automatic) else "cpu")
    folder.mark_unfinished()
    install(progress, [*install_command(folder, uv, extras), *options], folder, automatic)
    remove_unwanted(folder, uv, progress)
    progress.start_phase("device")
    check_device(folder, progress)
    folder.mark_ready(extras)


def is_replaced(python: Path) -> bool:
    """Whether a finished environment no longer finds its packages: a newer Python has taken the place of the system's.

    If the check times out, the environment counts as usable.
    """
    command = [str(python), "-c", "import importlib.util as util, sys; sys.exit(util.find_spec('torch') is None)"]
    try:
        return subprocess.run(command, env=build_environment(), capture_output=True, timeout=60, check=False).returncode != 0
    except subprocess.TimeoutExpired:
        return False
    except OSError:
        return True


def rebuild(folder: Folder, progress: Progress, extras: set[str]) -> bool:
    """Make the environment again from uv's cache alone; False if something would have to be downloaded."""
    progress.start_phase("installer")
    uv = installer.find_or_install(folder, progress)
    for backend in (["--torch-backend=auto"], []):
        folder.delete_environment()
        progress.start_phase("python")
        try:
            create_venv(folder, uv, progress)
            folder.mark_unfinished()
            progress.start_phase("packages")
            run([*install_command(folder, uv, extras), "--offline", *backend], folder.root, progress)
        except SetupError:
            continue
        remove_unwanted(folder, uv, progress)
        progress.start_phase("device")
        check_device(folder, progress)
        folder.mark_ready(extras)
        return True
    folder.delete_environment()
    return False


def create_venv(folder: Folder, uv: Path, progress: Progress) -> bool:
    """Keep ``.venv`` if it is complete and its Python fits; otherwise make it from scratch, and return True."""
    if folder.unfinished.exists():
        progress.note("The last set-up was cut off; it is done again from what was already fetched.")
    elif is_supported(folder.python):
        return False
    folder.delete_environment()
    command = [uv, "venv", "--no-project", "--clear", "--python"]
    try:
        run([*command, choose_python(), folder.venv], folder.root, progress)
    except SetupError as error:
        raise explain_missing_python(error) from error
    return True


def choose_python() -> str:
    """This Python if the packages run on it, otherwise any that fits; uv downloads one if the computer has none."""
    first, beyond = PYTHONS
    if first <= sys.version_info[:2] < beyond:
        return sys.executable
    return f">={first[0]}.{first[1]},<{beyond[0]}.{beyond[1]}"


def is_supported(python: Path) -> bool:
    """Whether this Python runs, in a version that the packages support."""
    first, beyond = PYTHONS
    return (
        python.exists()
        and read_output([python, "-c", f"import sys; print({first} <= sys.version_info[:2] < {beyond})"]) == "True"
    )


def explain_missing_python(error: SetupError) -> SetupError:
    """Explain that a Python is missing: without the internet, uv only says what it could not download."""
    return explain_output(["no interpreter found"]) if error.kind == "network" else error


def choose_index(progress: Progress) -> bool:
    """True if uv can choose the build of PyTorch for this computer from PyTorch's own index, False if that index cannot be
    reached."""
    if is_index_reachable():
        return True
    progress.note(
        "PyTorch's own package index (download.pytorch.org) cannot be reached from here, so PyTorch comes from the plain package "
        "index: on Windows that build uses the processor only, on Linux it is the large one for NVIDIA cards."
    )
    return False


def is_index_reachable(address: str = TORCH_INDEX, seconds: float = 4.0) -> bool:
    """Whether ``address`` answers within ``seconds``, name look-up included (which has no time-out of its own)."""
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(_request_head(address, seconds)), daemon=True)
    asking.start()
    asking.join(seconds)
    return bool(answers and answers[0])


def _request_head(address: str, seconds: float) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds):
            return True
    except urllib.error.URLError as error:
        # This Python may lack certificates (a fresh one on macOS does); uv brings its own.
        return isinstance(error.reason, ssl.SSLCertVerificationError)
    except OSError:
        return False


def is_cuda_build(automatic: bool) -> bool:
    """Whether the build of PyTorch being installed is the large one for CUDA."""
    if automatic:
        return shutil.which("nvidia-smi") is not None or Path("/opt/rocm").exists()
    return platform.system() == "Linux"


def check_disk_space(folder: Folder, uv: Path, build: str) -> None:
    """Raise before a long download that could not be unpacked. uv's cache may lie on another disk."""
    cache = read_output([uv, "cache", "dir"])
    for place in {find_disk(folder.root), find_disk(Path(cache) if cache else folder.root)}:
        free = shutil.disk_usage(str(place)).free
        if free < NEEDED[build]:
            raise SetupError(
                f"The set-up needs about {NEEDED[build] / GIGABYTE:.0f} GB of free disk space at {place}, and there are "
                f"{free / GIGABYTE:.1f} GB.",
                "Make room there, or move Easel's folder to a larger disk, and try again.",
                "disk",
            )


def find_disk(path: Path) -> Path:
    """The mount point or drive that ``path`` lies on; ``path`` need not exist yet."""
    path = path.absolute()
    while not path.exists() or (not os.path.ismount(str(path)) and path != path.parent):
        path = path.parent
    return path


def install(progress: Progress, command: list[str | Path], folder: Folder, automatic: bool) -> None:
    """Everything that pyproject.toml names, in the tested versions. ``automatic``: see :func:`choose_index`."""
    before = shutil.disk_usage(str(folder.root)).free
    progress.count_written = lambda: max(0, before - shutil.disk_usage(str(folder.root)).free)
    try:
        run([*command, "--torch-backend=auto"] if automatic else command, folder.root, progress)
    except SetupError as error:
        if not automatic or error.kind not in ("network", "build"):
            raise
        progress.note("PyTorch's own package index has nothing that fits, so PyTorch comes from the plain package index.")
        run(command, folder.root, progress)


def install_command(folder: Folder, uv: Path, extras: set[str]) -> list[str | Path]:
    """Ready-made packages only: building one here would need compilers, and would run its code."""
    named = [part for extra in sorted(extras) for part in ("--extra", extra)]
    files = ["-r", folder.root / "pyproject.toml", "-c", folder.root / "constraints.txt"]
    return [uv, "pip", "install", "--python", folder.python, "--no-build", *files, *named]


def remove_unwanted(folder: Folder, uv: Path, progress: Progress) -> None:
    """Remove :data:`UNWANTED` from the environment, if it is there."""
    run([uv, "pip", "uninstall", "--python", folder.python, *UNWANTED], folder.root, progress)
