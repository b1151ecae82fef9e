"""Every way to end the real studio, while it starts and while it draws: no trace is printed and no process is left over."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from engine.jobs.journal import Journal
from engine.requests import TextToImage
from engine.settings import HOUSE
from launcher.folder import Folder
from launcher.process.ending import IMPATIENCE
from tests.attack.kills.siege import CUT_START
from tests.attack.tally import Tally
from tests.engine.jobs.conftest import until
from tests.launcher.conftest import program
from tests.launcher.test_launch import free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

MARK = "EASEL_TEST_OF_ENDS"
"""The variable by whose value every process of one start is found, whoever started it."""


class Start:
    """A launcher at a terminal of its own, its studio and what that started; and all that is printed."""

    def __init__(self, folder: Folder, place: Path) -> None:
        self.place, self.mark = place, str(place)
        (place / "data").mkdir()
        waiting = Journal(place / "data" / "journal.db")
        waiting.add("waiting", "", TextToImage(prompt="a cat on the beach", seed=1, steps=1, width=64, height=64, count=1000))
        waiting.close()
        self.screen, terminal = pty.openpty()
        command = [sys.executable, folder.root / "launch.py", "--no-browser", "--port", str(free_port())]
        self.launcher = subprocess.Popen(
            [*command, "--data", place / "data", "--outputs", place / "outputs"],
            env={**os.environ, MARK: self.mark},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(terminal)
        self.printed, self._closing = "", False
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def said(self) -> str:
        """All that was printed on the terminal and into the logs."""
        logs = (self.place / "data" / "logs").glob("*")
        return self.printed + "".join(log.read_text("utf-8", "replace") for log in logs)

    def find_all(self) -> list[psutil.Process]:
        """Every process of this start that runs."""
        return [process for process in psutil.process_iter() if _read_mark(process) == self.mark]

    def find(self, words: str) -> psutil.Process:
        """The one whose command line holds ``words``."""
        return next(process for process in self.find_all() if words in " ".join(process.cmdline()))

    def close_terminal(self) -> None:
        """As closing its window does."""
        self._closing = True

    def _read(self) -> None:
        """Close what is read here too: as long as somebody reads, a terminal that is closed stays open."""
        with suppress(OSError):
            while not self._closing:
                if select.select([self.screen], [], [], 0.1)[0]:
                    self.printed += os.read(self.screen, 4096).decode("utf-8", "replace")
        os.close(self.screen)


def _take_terminal() -> None:
    """Make standard input the terminal of this session, whose end the session hears of."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read_mark(process: psutil.Process) -> str | None:
    with suppress(psutil.Error):
        return process.environ().get(MARK) if process.status() != psutil.STATUS_ZOMBIE else None
    return None


def interrupt(start: Start, times: int = 1) -> None:
    """Ctrl+C, as it is typed."""
    os.write(start.screen, times * b"\x03")


def interrupt_impatiently(start: Start) -> None:
    interrupt(start)
    time.sleep(IMPATIENCE + 0.1)
    interrupt(start)


def kill_worker(start: Start) -> None:
    """The studio goes on with another one, and is ended then."""
    worker = start.find("spawn_main")
    worker.kill()
    until(lambda: any("spawn_main" in " ".join(process.cmdline()) for process in start.find_all() if process != worker))
    start.launcher.terminate()


WAYS: dict[str, Callable[[Start], None]] = {
    "Ctrl+C": interrupt,
    "Ctrl+C twice": lambda start: interrupt(start, 2),
    "Ctrl+C again after a while": interrupt_impatiently,
    "kill": lambda start: start.launcher.terminate(),
    "hang up": lambda start: start.launcher.send_signal(signal.SIGHUP),
    "a closed terminal": Start.close_terminal,
    "kill -9 of the launcher": lambda start: start.launcher.kill(),
    "kill -9 of the studio": lambda start: start.find("app.py").kill(),
    "kill -9 of the worker": kill_worker,
}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """The whole Easel, with the environment that the tests run in."""
    folder = Folder(tmp_path / "house")
    folder.root.mkdir()
    for name in ("app.py", "api", "cli", "engine", "ui", "models", "launcher", "pyproject.toml", "constraints.txt"):
        (folder.root / name).symlink_to(HOUSE / name)
    shutil.copy(HOUSE / "launch.py", folder.root)
    program(folder.python, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    folder.mark_ready(set())
    started = Start(folder, tmp_path)
    yield started
    for process in started.find_all():
        process.kill()
    started.launcher.wait()
    started.close_terminal()


@pytest.mark.parametrize("moment", ["while it starts", "while it draws"])
@pytest.mark.parametrize("way", WAYS)
def test_it_ends_without_a_trace_and_without_a_rest(way: str, moment: str, start: Start, tally: Tally) -> None:
    until(lambda: "Easel is at" in start.printed)
    if moment == "while it draws":
        until(lambda: any((start.place / "outputs").rglob("*.png")))
    assert any("spawn_main" in " ".join(process.cmdline()) for process in start.find_all()), "the worker"
    WAYS[way](start)
    tally.add_attempts()
    until(lambda: start.find_all() == [] and start.launcher.poll() is not None)
    tally.count("traces shown", start.said.count("Traceback") - start.said.count(CUT_START), start.said[-3000:])
    assert "KeyboardInterrupt" not in start.said
