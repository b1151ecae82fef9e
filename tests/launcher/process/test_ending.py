"""The end of real processes: quiet, and nothing is left running."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from launcher.commands import start_process
from launcher.folder import Folder
from launcher.progress_page import is_listening
from tests.launcher.conftest import HOUSE, program
from tests.launcher.test_launch import free_port

SIGNALS = {
    "Ctrl+C": [signal.SIGINT],
    "Ctrl+C twice": [signal.SIGINT, signal.SIGINT],
    "kill": [signal.SIGTERM],
    "a closed terminal": [signal.SIGHUP],
    "a logout": [signal.SIGHUP, signal.SIGTERM, signal.SIGINT],
}


@contextmanager
def running(folder: Folder, terminal: int = subprocess.DEVNULL) -> Iterator[tuple[subprocess.Popen[str], int, psutil.Process]]:
    """The launcher, its studio's port and its studio's process, once that can be opened."""
    port = free_port()
    command = [sys.executable, "-u", str(folder.root / "launch.py"), "--port", str(port), "--no-browser"]
    process = subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        while not process.stdout.readline().startswith("Easel is at"):
            assert process.poll() is None
        (studio,) = psutil.Process(process.pid).children()
        yield process, port, studio
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def ready_house(small_house: Folder, home: Path) -> Folder:
    """The small house with an environment, which is the one that the tests run in."""
    program(small_house.python, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    small_house.mark_ready(set())
    return small_house


@pytest.mark.parametrize("how", SIGNALS)
def test_a_signal_ends_all_of_it_without_a_word(ready_house: Folder, how: str) -> None:
    with running(ready_house) as (launcher, port, studio):
        for number in SIGNALS[how]:
            launcher.send_signal(number)
        said, complained = launcher.communicate(timeout=60)
        assert launcher.returncode == 0 and complained == ""
        assert said == ("" if signal.SIGHUP in SIGNALS[how] else "put away\n")
        assert not studio.is_running() and not is_listening(f"http://127.0.0.1:{port}")


def test_a_killed_launcher_leaves_no_studio(ready_house: Folder) -> None:
    with running(ready_house) as (launcher, port, studio):
        launcher.kill()
        assert psutil.wait_procs([studio], timeout=60)[1] == []
        assert not is_listening(f"http://127.0.0.1:{port}")


def test_nohup_is_heeded(ready_house: Folder) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with running(ready_house) as (launcher, port, studio):
            signal.signal(signal.SIGHUP, before)
            launcher.send_signal(signal.SIGHUP)
            assert studio.is_running() and is_listening(f"http://127.0.0.1:{port}")
            launcher.terminate()
            assert launcher.communicate(timeout=60) == ("put away\n", "")
    finally:
        signal.signal(signal.SIGHUP, before)


def test_output_that_nobody_reads_any_more_is_no_error(ready_house: Folder) -> None:
    """``./launch.sh | head -1``"""
    with running(ready_house) as (launcher, _, studio):
        assert launcher.stdout is not None and launcher.stderr is not None
        launcher.stdout.close()
        launcher.terminate()
        assert launcher.stderr.read() == "" and launcher.wait(60) in (0, 1)
        assert psutil.wait_procs([studio], timeout=60)[1] == []


def test_a_terminal_that_goes_away_takes_all_of_it_along(ready_house: Folder) -> None:
    """The launcher as the first process of a terminal that is then closed."""
    port = free_port()
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, str(ready_house.root / "launch.py"), "--port", str(port), "--no-browser"])
    said = b""
    while b"Easel is at" not in said:
        said += os.read(terminal, 1000)
    (studio,) = psutil.Process(child).children()
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert psutil.wait_procs([studio], timeout=60)[1] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_the_studio_heeds_any_ends_it_without_a_word(number: signal.Signals) -> None:
    code = "import sys\nprint('up')\ninput()\nfrom launcher.process.ending import Ending\nEnding().install()\nprint('too far')"
    started = start_process([sys.executable, "-u", "-c", code], HOUSE, dict(os.environ), apart=True)
    assert started.stdout is not None and started.stdout.readline() == "up\n"
    started.send_signal(number)
    assert started.communicate("go on\n", timeout=60) == ("", None) and started.returncode != 0


SLOW_END = """
import time
from launcher.process import ending
heard = []
class Counted(ending.Ending):
    def handle(self, number, frame):
        heard.append(number)
        super().handle(number, frame)
ending.IMPATIENCE = 1e9
Counted().install()
try:
    print("up", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("at once", flush=True)
while len(heard) < 2:
    time.sleep(0.01)
ending.IMPATIENCE = 0
print("later", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_what_takes_long_to_end_unless_it_comes_at_once(number: signal.Signals) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SLOW_END], cwd=HOUSE, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.stdout.readline() == "at once\n"
        process.send_signal(number)
        assert process.stdout.readline() == "later\n", "that was the same wish"
        process.send_signal(number)
        assert process.communicate(timeout=60) == ("", "") and process.returncode == 128 + number


@pytest.mark.parametrize("during", ["imports", "waiting for a thread", "a finalizer"])
def test_no_trace_wherever_it_comes(during: str) -> None:
    """Python prints a trace itself where nobody can catch the KeyboardInterrupt."""
    places = {
        "imports": "os.kill(os.getpid(), signal.SIGINT); time.sleep(60)",
        "waiting for a thread": "threading.Thread(target=lambda: (time.sleep(0.2), os.kill(os.getpid(), signal.SIGINT))).start()",
        "a finalizer": "class F:\n def __del__(self): os.kill(os.getpid(), signal.SIGINT); time.sleep(0.1)\nf = F(); del f",
    }
    code = "import os, signal, threading, time\nfrom launcher.process.ending import Ending\nEnding().install()\n" + places[during]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
