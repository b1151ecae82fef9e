"""`./launch.sh --test`: what it looks for, what it brings, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher import run_tests
from launcher.folder import Folder
from launcher.progress import Progress
from launcher.setup_errors import SetupError
from tests.launcher.conftest import program


@pytest.fixture
def no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer without a browser, with a folder for what is installed later."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    monkeypatch.setenv("PATH", f"{bin_}:/usr/sbin:/sbin")
    monkeypatch.delenv("EASEL_TEST_BROWSER", raising=False)
    monkeypatch.setattr(run_tests, "BROWSER_PATHS", ())
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "no-playwright-browsers"))
    return bin_


def test_a_browser_that_is_there_and_starts_is_taken(this_python: Folder, progress: Progress) -> None:
    found = run_tests.find_browser(this_python, progress)
    assert Path(found).exists()
    assert not any("Trying" in line for line in progress.log_lines())


def test_browsers_are_fetched_in_order_and_a_missing_one_is_a_failure(
    no_browser: Path, folder: Folder, progress: Progress
) -> None:
    record = folder.root / "calls"
    program(folder.python, f'#!/bin/sh\n[ "$1" = -c ] && exit 1\necho "$*" >> "{record}"\n')
    program(no_browser / "apt-get", f'#!/bin/sh\necho "apt-get $*" >> "{record}"\n')
    program(no_browser / "sudo", '#!/bin/sh\nshift\nexec "$@"\n')
    (no_browser / "env").symlink_to("/usr/bin/env")
    with pytest.raises(SetupError, match="The tests need a browser, and none could be installed"):
        run_tests.find_browser(folder, progress)
    assert record.read_text("utf-8").splitlines() == [
        "-m playwright install chromium",
        "apt-get update",
        "apt-get install --yes --no-install-recommends chromium",
    ]


def test_a_browser_that_the_package_manager_brought_is_taken(no_browser: Path, folder: Folder, progress: Progress) -> None:
    brought = no_browser / "chromium"
    program(folder.python, '#!/bin/sh\n[ "$1" = -c ] && [ -n "$3" ] && echo "$3" && exit 0\nexit 1\n')
    program(no_browser / "apt-get", f'#!/bin/sh\n[ "$1" = install ] && : > "{brought}" && /bin/chmod +x "{brought}"\nexit 0\n')
    program(no_browser / "sudo", '#!/bin/sh\nshift\nexec "$@"\n')
    (no_browser / "env").symlink_to("/usr/bin/env")
    assert run_tests.find_browser(folder, progress) == str(brought)


def test_a_named_browser_comes_first(no_browser: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(no_browser / "chromium", "#!/bin/sh\n")
    monkeypatch.setenv("EASEL_TEST_BROWSER", "/mine")
    assert list(run_tests.list_browsers()) == [["/mine"], [str(no_browser / "chromium")], []]


def test_without_a_package_manager_nothing_is_run(no_browser: Path, folder: Folder, progress: Progress) -> None:
    run_tests.apt_installer("chromium")(folder, progress)
    assert progress.log_lines()[1:] == []


def test_a_missing_font_is_a_failure(
    no_browser: Path, folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tests, "EMOJI_FONT", folder.root / "NotoColorEmoji.ttf")
    with pytest.raises(SetupError, match="Noto Color Emoji"):
        run_tests.install_font(folder, progress)
    (folder.root / "NotoColorEmoji.ttf").touch()
    run_tests.install_font(folder, progress)


def test_the_long_tests_of_one_folder_can_be_asked_for(folder: Folder) -> None:
    (folder.root / "tests" / "engine").mkdir(parents=True)
    assert run_tests.long_tests(folder, None) == []
    assert run_tests.long_tests(folder, "engine") == ["-m", "", str(Path("tests/engine"))]
    assert run_tests.long_tests(folder, "tests/engine") == ["-m", "", "tests/engine"]


def test_root_needs_no_sudo() -> None:
    assert run_tests.sudo_prefix() == ([] if os.geteuid() == 0 else ["sudo", "-n"])


def test_pytests_closing_line_is_the_last_and_its_status_ours(small_house: Folder) -> None:
    """The whole way; the environment is this one, behind a stamp of the small house."""
    small_house.venv.mkdir()
    program(small_house.python, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    small_house.mark_ready(run_tests.EXTRAS)
    (small_house.root / "test_it.py").write_text(
        "import os\ndef test_browser(): assert os.environ['EASEL_TEST_BROWSER']\ndef test_fails(): assert 0\n"
    )
    done = subprocess.run(
        [sys.executable, str(small_house.root / "launch.py"), "--test", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        timeout=200,
        cwd="/",
    )
    assert done.stdout.startswith("Browser for the tests: "), "what the set-up says comes first, also in a pipe"
    assert "1 failed, 1 passed in" in done.stdout.splitlines()[-1], done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("cores", "gibibytes", "processes"), [(2, 24, 2), (2, 8, 1), (2, 0, 1), (None, 24, 1), (64, 256, 8), (16, 32, 5)]
)
def test_there_are_as_many_processes_as_cores_and_memory_allow(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, gibibytes: int, processes: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(run_tests, "read_memory", lambda: gibibytes * 2**30)
    spread = ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"] if processes > 1 else []
    assert run_tests.spread_tests(["tests/ui", "-x"]) == spread


@pytest.mark.parametrize("argument", ["-n1", "-n", "--numprocesses=3", "--pdb", "--trace"])
def test_what_the_command_line_says_about_processes_stands(argument: str) -> None:
    assert run_tests.spread_tests(["tests/ui", argument]) == []


def test_the_memory_is_read_or_enough_for_one_process_is_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_tests.read_memory() > 2**29
    monkeypatch.delattr(os, "sysconf")
    assert run_tests.read_memory() == run_tests.PROCESS_MEMORY
