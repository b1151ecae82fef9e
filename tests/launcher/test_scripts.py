"""The scripts that are double-clicked: they find a Python and hand over. And the promise of launch.py: any Python from 3.8 on."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launcher.conftest import HOUSE, program

BOOTSTRAP = [HOUSE / "launch.py", *sorted((HOUSE / "launcher").rglob("*.py"))]
NEEDED = ("sh", "dirname", "readlink", "env")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The scripts beside a launch.py that says how it was called and by which Python, in a folder with an awkward name."""
    place = tmp_path / "L'été & co (1) é"
    place.mkdir()
    for name in ("launch.sh", "launch.command", "launch.bat"):
        shutil.copy2(HOUSE / name, place)
    (place / "launch.py").write_text("import sys\nprint(sys.argv)\nsys.exit(3)\n", "utf-8")
    return place


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with nothing but what the scripts themselves use."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found is not None
        (bin_ / name).symlink_to(found)
    return bin_


def run(script: Path, *arguments: str, path: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(script), *arguments], env={"PATH": str(path)}, capture_output=True, text=True, timeout=60, cwd="/")


@pytest.mark.parametrize("name", ["launch.sh", "launch.command"])
def test_arguments_and_exit_status_pass_through(place: Path, bare_path: Path, name: str) -> None:
    (bare_path / "python3").symlink_to(sys.executable)
    done = run(place / name, "--port", "1", "a b", path=bare_path)
    assert done.stdout.strip() == repr([str(place / "launch.py"), "--port", "1", "a b"])
    assert done.returncode == 3


def test_ctrl_c_waits_until_python_has_started(place: Path, bare_path: Path) -> None:
    """It would print a trace before that; launch.py heeds the signal also where it is ignored."""
    (bare_path / "python3").symlink_to(sys.executable)
    (place / "launch.py").write_text("import signal\nprint(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)\n", "utf-8")
    assert run(place / "launch.sh", path=bare_path).stdout == "True\n"


def test_a_link_to_the_script_works(place: Path, bare_path: Path, tmp_path: Path) -> None:
    (bare_path / "python3").symlink_to(sys.executable)
    (tmp_path / "easel").symlink_to(place / "launch.sh")
    assert str(place / "launch.py") in run(tmp_path / "easel", path=bare_path).stdout


def test_a_python_that_is_too_old_or_broken_is_passed_over(place: Path, bare_path: Path) -> None:
    program(bare_path / "python3", "#!/bin/sh\nexit 1\n")
    (bare_path / "python3.9").symlink_to(sys.executable)
    assert run(place / "launch.sh", path=bare_path).returncode == 3


def test_without_any_python_there_is_a_sentence(place: Path, bare_path: Path) -> None:
    done = run(place / "launch.sh", path=bare_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Easel needs Python 3.8 or newer")


def test_without_a_terminal_the_sentence_is_shown_in_a_window(place: Path, bare_path: Path, tmp_path: Path) -> None:
    program(bare_path / "zenity", f'#!/bin/sh\necho "$*" > "{tmp_path}/shown"\n')
    run(place / "launch.sh", path=bare_path)
    assert "Easel needs Python 3.8" in (tmp_path / "shown").read_text()


def test_help_with_a_stripped_environment() -> None:
    done = subprocess.run(
        ["env", "-i", f"PATH={Path(sys.executable).parent}:/usr/bin:/bin", "sh", str(HOUSE / "launch.sh"), "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )
    assert done.returncode == 0 and done.stdout.startswith("Easel 0."), done.stderr


def test_the_batch_file_has_windows_line_endings() -> None:
    text = (HOUSE / "launch.bat").read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n") > 10
    assert text.isascii(), "a code page could turn other letters into anything"


def test_the_shell_scripts_have_not() -> None:
    for name in ("launch.sh", "launch.command", ".ci/run"):
        assert b"\r" not in (HOUSE / name).read_bytes()
        assert os.access(HOUSE / name, os.X_OK)


@pytest.mark.parametrize("path", BOOTSTRAP, ids=lambda path: path.name)
def test_the_bootstrap_is_python_3_8_and_needs_nothing_installed(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names | {"launcher"}
    assert path.name == "__init__.py" or "annotations" in path.read_text("utf-8"), "the spellings of types are newer than 3.8"


def windows_path(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


def stand_in_python(bin_: Path, name: str, script: str) -> None:
    """A real Windows program under ``name`` that runs a batch file: setuptools' launcher, which gives its exit status on."""
    import setuptools

    batch = bin_.parent / "stand-in.bat"
    batch.write_bytes(script.replace("\n", "\r\n").encode())
    shutil.copy2(Path(setuptools.__file__).with_name("cli-64.exe"), bin_ / f"{name}.exe")
    (bin_ / f"{name}-script.py").write_text(f"#!C:\\windows\\system32\\cmd.exe /c {windows_path(batch)}\n")


ANSWERS = '@echo off\nif "%~2"=="-c" exit {check}\nif "%~3"=="-c" exit {check}\necho LAUNCHED %*\nexit 3\n'


@pytest.fixture(scope="module")
def wine_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wine")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "check", "code", "said"),
    [
        ("python", 0, 3, '\\launch.py" "--port" "1'),
        ("python3", 0, 3, '\\launch.py" "--port" "1'),
        ("py", 0, 3, '"-3" "Z:'),
        ("python", 1, 1, "Easel needs Python 3.8 or newer"),
        ("other", 0, 1, "Easel needs Python 3.8 or newer"),
    ],
)
def test_the_batch_file_under_wine(
    place: Path, tmp_path: Path, wine_home: Path, name: str, check: int, code: int, said: str
) -> None:
    wine = shutil.which("wine")
    assert wine, "the long tests run launch.bat under wine (Debian: apt-get install wine)"
    bin_ = tmp_path / "Pýthon bin"
    bin_.mkdir()
    stand_in_python(bin_, name, ANSWERS.format(check=check))
    wines = {"WINEDEBUG": "-all", "WINEPREFIX": str(wine_home / "prefix"), "WINEPATH": windows_path(bin_), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [wine, "cmd", "/c", "launch.bat --port 1"],
        env={**os.environ, **wines},
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=240,
    )
    assert said in done.stdout.decode("utf-8", "replace")
    assert done.returncode == code
