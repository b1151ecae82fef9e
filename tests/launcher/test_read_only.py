"""An Easel that is set up in a folder that nobody may write to starts, or says in a sentence why not."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.folder import Folder
from tests.launcher.conftest import program
from tests.launcher.test_launch import free_port

MOUNT = 'mount --bind -o ro "$1" "$1" && shift && exec "$@"'
"""Makes a folder read-only for one process and what it starts, also for root."""


def read_only(place: Path, *command: str) -> list[str]:
    return ["unshare", "--mount", "sh", "-c", MOUNT, "sh", str(place), *command]


def can_mount(tmp_path: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(read_only(tmp_path, "touch", str(tmp_path / "written")), capture_output=True, check=False)
    return not (tmp_path / "written").exists() and b"Read-only" in tried.stderr


@pytest.fixture
def ready_house(small_house: Folder, home: Path, tmp_path: Path) -> Folder:
    """The small house with an environment, which is the one that the tests run in."""
    if not can_mount(tmp_path):
        pytest.skip("Only somebody who may mount can make a folder read-only for root.")
    program(small_house.python, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    small_house.mark_ready(set())
    return small_house


@pytest.mark.parametrize("started_before", [True, False])
@pytest.mark.parametrize("place", [".", ".venv"])
def test_what_is_set_up_starts(ready_house: Folder, place: str, started_before: bool) -> None:
    if started_before:
        ready_house.state.mkdir()
        (ready_house.state / "lock").touch()
    port = free_port()
    launch = [sys.executable, "-u", str(ready_house.root / "launch.py"), "--no-browser", "--port", str(port)]
    command = read_only(ready_house.root / place, *launch)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = list[str]()
    while (line := process.stdout.readline()) and not line.startswith("Easel is at"):
        said.append(line)
    process.send_signal(signal.SIGTERM)
    said += process.communicate(timeout=60)[0].splitlines()
    assert line == f"Easel is at http://127.0.0.1:{port}\n", "".join(said)
    assert "Traceback" not in "".join(said) and process.returncode == 0


@pytest.mark.parametrize("place", [".", ".venv"])
def test_what_is_not_set_up_says_why_it_cannot_be(ready_house: Folder, place: str) -> None:
    ready_house.stamp.unlink()
    ready_house.state.mkdir()
    launch = [sys.executable, str(ready_house.root / "launch.py"), "--no-browser", "--setup-only"]
    done = subprocess.run(read_only(ready_house.root / place, *launch), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "Easel's folder is on a disk that cannot be written to." in done.stdout, done.stdout + done.stderr
