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
from launcher.folder import Folder, write_text
from launcher.progress import Progress
from launcher.setup_errors import SetupError, explain_output
from launcher.torch_build.cards import find_cards
from launcher.torch_build.choose import GIGABYTE, Build, choose_build
from launcher.trial_calculation import check_device

TORCH_INDEX = "https://download.pytorch.org/whl/cpu/"

LEAST_MACOS = (14, 0)
"""The oldest version that PyTorch's packages install on. A Python that was built for macOS 10 calls every newer one 10.16."""

UNWANTED = ("openvino-telemetry",)
"""Packages whose only purpose is to send usage reports. pyproject.toml keeps them out, but an older Easel, or uv told to
ignore that file's
settings (UV_NO_CONFIG), brought them in."""

FASTER = "openvino"
"""The extra of pyproject.toml that computes faster than PyTorch on x86 processors."""

X86 = ("x86_64", "amd64")


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
            repair(folder, progress, extras)
        else:
            set_up(folder, progress, extras, [])
    except OSError as error:
        raise explain_output([str(error), getattr(error, "strerror", "") or ""]) from error


def repair(folder: Folder, progress: Progress, extras: set[str]) -> None:
    """Make the environment from new downloads; if that fails, the present one stays as it is."""
    folder.set_environment_aside()
    try:
        set_up(folder, progress, extras, ["--cache-dir", folder.repair_cache])
    except BaseException:
        folder.take_environment_back()
        raise
    finally:
        shutil.rmtree(folder.repair_cache, ignore_errors=True)


def set_up(folder: Folder, progress: Progress, extras: set[str], options: list[str | Path]) -> None:
    """Run the phases in order. ``options`` are for uv's installation."""
    progress.start_phase("installer")
    check_system()
    uv = installer.find_or_install(folder, progress)
    build = find_build(progress)
    progress.start_phase("python")
    fresh = create_venv(folder, uv, progress, build)
    progress.start_phase("packages")
    own_index = choose_index(progress)
    if fresh:
        check_disk_space(folder, uv, build.disk_space(own_index, platform.system()))
    folder.mark_unfinished()
    extras = install_extras(folder, uv, progress, extras, build, own_index, options)
    finish(folder, uv, progress, extras, build)


def install_extras(
    folder: Folder, uv: Path, progress: Progress, extras: set[str], build: Build, own_index: bool, options: list[str | Path]
) -> set[str]:
    """Install everything, with ``extras`` and what makes this computer faster; returns the extras that are there then."""

    def install_with(chosen: set[str]) -> set[str]:
        install(progress, [*install_command(folder, uv, chosen, build), *options], folder, build, own_index)
        return chosen

    wanted = extras | find_faster(build)
    try:
        return install_with(wanted)
    except SetupError as error:
        if error.kind != "build" or wanted == extras:
            raise
        progress.note(
            "OpenVINO, which makes pictures faster on processors, is not published for this system. Easel works without it."
        )
        return install_with(extras)


def find_faster(build: Build) -> set[str]:
    """The extras that make this computer faster: OpenVINO where an x86 processor makes the pictures."""
    return {FASTER} if not build.variant and platform.machine().lower() in X86 else set()


def finish(folder: Folder, uv: Path, progress: Progress, extras: set[str], build: Build) -> None:
    """What follows the installation of the packages."""
    remove_unwanted(folder, uv, progress)
    progress.start_phase("device")
    folder.mark_ready(extras, check_device(folder, progress, build))
    shutil.rmtree(folder.set_aside, ignore_errors=True)


def check_system() -> None:
    """Raise before anything is downloaded that this system could not run."""
    if platform.system() != "Darwin":
        return
    version = tuple(int(part) for part in platform.mac_ver()[0].split(".") if part.isdigit())
    if platform.machine() == "x86_64":
        raise SetupError(
            "PyTorch is published for Macs with an Apple chip only.",
            "If this Mac has one, install Python 3.12 for it from python.org and start Easel again.",
            "build",
        )
    if (11,) <= version < LEAST_MACOS:
        raise SetupError(
            f"This Mac has macOS {platform.mac_ver()[0]}, and PyTorch needs macOS {LEAST_MACOS[0]} or newer.",
            "Update macOS and start Easel again.",
            "build",
        )


def find_build(progress: Progress) -> Build:
    """PyTorch's build for this computer's graphics card."""
    cards = find_cards(platform.system())
    for card in cards:
        progress.log_line(f"Found {card}")
    build = choose_build(cards, platform.system())
    progress.log_line(f"Chose PyTorch's build {build.backend} for {build.card_name if build.variant else 'the processor'}")
    return build


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
    build = find_build(progress)
    for backend in ([f"--torch-backend={build.backend}"], []):
        folder.delete_environment()
        progress.start_phase("python")
        try:
            create_venv(folder, uv, progress, build)
            folder.mark_unfinished()
            progress.start_phase("packages")
            run([*install_command(folder, uv, extras, build), "--offline", *backend], folder.root, progress)
        except SetupError:
            continue
        finish(folder, uv, progress, extras, build)
        return True
    folder.delete_environment()
    return False


def create_venv(folder: Folder, uv: Path, progress: Progress, build: Build) -> bool:
    """Keep ``.venv`` if it is complete, its Python fits and it has the same ``build``, because uv would not replace another one
    of the same version; otherwise make it from scratch, and return True."""
    if folder.unfinished.exists():
        progress.note("The last set-up was cut off; it is done again from what was already fetched.")
    elif is_supported(folder.python, build) and folder.read_installed().backend in ("", build.backend):
        return False
    folder.delete_environment()
    command = [uv, "venv", "--no-project", "--clear", "--python"]
    try:
        run([*command, choose_python(build), folder.venv], folder.root, progress)
    except SetupError as error:
        raise explain_missing_python(error) from error
    return True


def choose_python(build: Build) -> str:
    """This Python if the packages run on it, otherwise any that fits; uv downloads one if the computer has none."""
    first, beyond = build.pythons
    if first <= sys.version_info[:2] < beyond:
        return sys.executable
    return f">={first[0]}.{first[1]},<{beyond[0]}.{beyond[1]}"


def is_supported(python: Path, build: Build) -> bool:
    """Whether this Python runs, in a version that the packages support."""
    first, beyond = build.pythons
    return (
        python.exists()
        and read_output([python, "-c", f"import sys; print({first} <= sys.version_info[:2] < {beyond})"]) == "True"
    )


def explain_missing_python(error: SetupError) -> SetupError:
    """Explain that a Python is missing: without the internet, uv only says what it could not download."""
    return explain_output(["no interpreter found"]) if error.kind == "network" else error


def choose_index(progress: Progress) -> bool:
    """True if PyTorch can come from its own index, which has all builds; False if that index cannot be reached."""
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


def check_disk_space(folder: Folder, uv: Path, needed: int) -> None:
    """Raise before a long download that could not be unpacked to ``needed`` bytes. uv's cache may lie on another disk."""
    cache = read_output([uv, "cache", "dir"])
    for place in {find_disk(folder.root), find_disk(Path(cache) if cache else folder.root)}:
        free = shutil.disk_usage(str(place)).free
        if free < needed:
            raise SetupError(
                f"The set-up needs about {needed / GIGABYTE:.0f} GB of free disk space at {place}, and there are "
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


def install(progress: Progress, command: list[str | Path], folder: Folder, build: Build, own_index: bool) -> None:
    """Everything that pyproject.toml names, in the tested versions. ``own_index``: see :func:`choose_index`."""
    before = shutil.disk_usage(str(folder.root)).free
    progress.count_written = lambda: max(0, before - shutil.disk_usage(str(folder.root)).free)
    try:
        run([*command, f"--torch-backend={build.backend}"] if own_index else command, folder.root, progress)
    except SetupError as error:
        if not own_index or error.kind not in ("network", "build"):
            raise
        progress.note("PyTorch's own package index has nothing that fits, so PyTorch comes from the plain package index.")
        run(command, folder.root, progress)


def install_command(folder: Folder, uv: Path, extras: set[str], build: Build) -> list[str | Path]:
    """Ready-made packages only: building one here would need compilers, and would run its code."""
    named = [part for extra in sorted(extras) for part in ("--extra", extra)]
    files = ["-r", folder.root / "pyproject.toml", *version_files(folder, build)]
    return [uv, "pip", "install", "--python", folder.python, "--no-build", *files, *named]


def version_files(folder: Folder, build: Build) -> list[str | Path]:
    """uv's options for the tested versions. For a build that needs older versions of some packages, those take the place of
    the floors in pyproject.toml and of the lines in constraints.txt, of which a shorter copy is written into the environment."""
    tested = folder.root / "constraints.txt"
    if not build.overrides:
        return ["-c", tested]
    overrides = folder.root / build.overrides
    replaced = {line.partition("==")[0] for line in overrides.read_text("utf-8").splitlines() if "==" in line}
    kept = [line for line in tested.read_text("utf-8").splitlines() if line.partition("==")[0] not in replaced]
    shorter = folder.venv / "easel-constraints.txt"
    write_text(shorter, "\n".join([*kept, ""]))
    return ["-c", shorter, "--overrides", overrides]


def remove_unwanted(folder: Folder, uv: Path, progress: Progress) -> None:
    """Remove :data:`UNWANTED` from the environment, if it is there."""
    run([uv, "pip", "uninstall", "--python", folder.python, *UNWANTED], folder.root, progress)
