"""What the set-up is doing, kept in one place for the page, the terminal and the log file."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from launcher.setup_errors import SetupError


@dataclass(frozen=True)
class Phase:
    """``weight`` is the phase's usual share of the whole time, in hundredths."""

    name: str
    label: str
    weight: int


PHASES = (
    Phase("installer", "Find or download the installer (uv)", 4),
    Phase("python", "Make Easel's own Python environment", 4),
    Phase("packages", "Download and install PyTorch, diffusers and Gradio", 72),
    Phase("device", "Try a calculation on the graphics card or processor", 8),
    Phase("start", "Start the studio", 12),
)

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DOWNLOADING = re.compile(r"^\s*Downloading (\S+) \(([\d.]+)\s*(B|KiB|MiB|GiB)\)")
_DOWNLOADED = re.compile(r"^\s*Downloaded (\S+)")
_MILESTONES = (("Resolved ", 0.04), ("Prepared ", 0.9), ("Installed ", 1.0))


class UvDownloads:
    """Reads uv's plain output lines (it prints ``Downloading torch (873.2MiB)`` and ``Downloaded torch``)."""

    def __init__(self) -> None:
        self.sizes: dict[str, float] = {}
        self.waiting: dict[str, float] = {}
        self.share = 0.0

    def read(self, line: str) -> None:
        begun, ended = _DOWNLOADING.match(line), _DOWNLOADED.match(line)
        if begun:
            self.sizes[begun.group(1)] = self.waiting[begun.group(1)] = float(begun.group(2)) * UNITS[begun.group(3)]
        elif ended:
            self.waiting.pop(ended.group(1), None)
        if self.sizes:
            self._reach(0.04 + 0.86 * (1 - sum(self.waiting.values()) / sum(self.sizes.values())))
        for start, share in _MILESTONES:
            if line.startswith(start):
                self._reach(share)

    def _reach(self, share: float) -> None:
        # Downloads that start now would make the bar jump back; it stays where it was instead.
        self.share = max(self.share, share)

    def text(self, written: float) -> str:
        """Which downloads are running, and how much was ``written`` to the disk so far (bytes)."""
        names = sorted(self.waiting, key=lambda name: -self.waiting[name])
        if not names:
            return ""
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        total = sum(self.sizes.values()) / 1e6
        return f"Fetching {', '.join(names[:3])}{more}: {total:,.0f} MB to fetch, about {written / 1e6:,.0f} MB unpacked so far"


def print_now(sentence: str) -> None:
    """Print and flush: Python buffers output to a pipe, so a program started next would print before it."""
    print(sentence, flush=True)


class Progress:
    """Safe from any thread. ``echo`` gets each sentence for the terminal; ``log_file`` gets every line."""

    phase: int = -1
    """The index in :data:`PHASES`; -1 before the first."""
    share: float = 0.0
    """How much of the phase is done, from 0 to 1."""
    detail: str = ""
    failure: SetupError | None = None
    address: str | None = None
    """Where the studio can be opened."""

    def __init__(self, echo: Callable[[str], None] = print_now, log_file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._echo = echo
        self._log_file = log_file
        self.begun = time.monotonic()
        self._log: deque[str] = deque(maxlen=400)
        self.notes: list[str] = []
        self.downloads = UvDownloads()
        self.count_written: Callable[[], float] = lambda: 0.0

    def restart(self) -> None:
        """Back to the first phase, for another attempt. The log continues."""
        self.phase = -1
        self.share = 0.0
        self.detail = ""
        self.notes = []
        self.failure = self.address = None
        self.downloads = UvDownloads()
        self.count_written = lambda: 0.0

    def start_phase(self, name: str) -> None:
        """The phase ``name`` begins; all before it are done."""
        self.phase = [phase.name for phase in PHASES].index(name)
        self.share, self.detail = 0.0, ""
        self.say(PHASES[self.phase].label + " ...")

    def log_line(self, text: str) -> None:
        """One line of a tool's output."""
        self._write(text)
        self.detail = text.strip()
        self.downloads.read(text)
        if PHASES[self.phase].name == "packages":
            self.share = self.downloads.share

    def say(self, sentence: str) -> None:
        """A sentence for the terminal and the log."""
        self._write(sentence)
        self._echo(sentence)

    def note(self, sentence: str) -> None:
        """A sentence that stays on the page."""
        self.notes.append(sentence)
        self.say(sentence)

    def fail(self, failure: SetupError) -> None:
        self.failure = failure
        self.say(failure.what)
        self.say(failure.then)

    def log_lines(self) -> list[str]:
        """The latest lines, oldest first."""
        with self._lock:
            return list(self._log)

    def _write(self, text: str) -> None:
        with self._lock:
            self._log.append(text)
            if self._log_file is not None:
                try:
                    with self._log_file.open("a", encoding="utf-8") as log:
                        log.write(text + "\n")
                except OSError:
                    self._log_file = None  # disk full or read-only: the page and the terminal still show the lines

    def snapshot(self) -> dict[str, Any]:
        """Everything that the page shows, as plain values."""
        done = sum(phase.weight for phase in PHASES[: max(self.phase, 0)])
        now = PHASES[self.phase].weight * self.share if self.phase >= 0 else 0
        return {
            "phases": [{"label": phase.label, "state": self._state(index)} for index, phase in enumerate(PHASES)],
            "share": round((done + now) / 100, 3),
            "detail": self.downloads.text(self.count_written()) or self.detail,
            "seconds": int(time.monotonic() - self.begun),
            "notes": list(self.notes),
            "failure": {"what": self.failure.what, "then": self.failure.then} if self.failure else None,
            "address": self.address,
        }

    def _state(self, index: int) -> str:
        if index != self.phase:
            return "done" if index < self.phase else "waiting"
        return "failed" if self.failure else "now"
