"""Kills servers and workers at random moments, and counts what was lost."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from engine.jobs.journal import FINISHED, QUEUED, RUNNING, SET_ASIDE, JobState, Journal
from engine.records import metadata, outputs
from engine.settings import HOUSE

WAITING = 3
"""Jobs that are kept waiting while it goes on."""


@dataclass
class Counts:
    """What happened; everything from ``missing`` on must be 0.

    ``missing``: pictures that were said to be finished and are not there. ``half``: files that are no whole picture with its
    record. ``lost``: jobs that were said to be queued and came to no end. ``twice``: pictures of a job that are there twice.
    ``orphans``: workers that outlived their server.
    """

    server_kills: int = 0
    worker_kills: int = 0
    queued: int = 0
    finished: int = 0
    set_aside: int = 0
    missing: int = 0
    half: int = 0
    lost: int = 0
    twice: int = 0
    orphans: int = 0


@dataclass
class Siege:
    """One data folder and the Easels that are started on it, one after the other."""

    folder: Path
    runner: str
    prompts: tuple[str, ...]
    dice: random.Random
    counts: Counts = field(default_factory=Counts)
    queued: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    server: subprocess.Popen[str] | None = None

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def lay(self, kills: int, longest: float) -> Counts:
        """Kill ``kills`` times, each after 0 to ``longest`` seconds; then let everything come to its end, and count."""
        while self.counts.server_kills + self.counts.worker_kills < kills:
            self._start()
            time.sleep(self.dice.uniform(0, longest))
            self._submit()
            time.sleep(self.dice.uniform(0, longest))
            self._kill_worker() if self.dice.random() < 0.5 else self._kill_server()
        self._start()
        self._wait_for_the_end()
        self._kill_server()
        self._count()
        return self.counts

    def _start(self) -> None:
        if self.server is None:
            command = [sys.executable, "-m", "tests.engine.jobs.server", self.folder / "data", self.outputs, self.runner]
            self.server = subprocess.Popen(command, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._hear, args=(self.server,), daemon=True).start()

    def _hear(self, server: subprocess.Popen[str]) -> None:
        assert server.stdout
        for line in server.stdout:
            what, _, job = line.strip().partition(" ")
            (self.queued if what == "queued" else self.shown).add(job)

    def _submit(self) -> None:
        assert self.server and self.server.stdin
        for _ in range(max(0, WAITING - len(self._unfinished()))):
            self.server.stdin.write(f"{self.dice.randint(1, 2)} {self.dice.choice(self.prompts)}\n")
        self.server.stdin.flush()

    def _workers(self) -> list[psutil.Process]:
        assert self.server
        children = psutil.Process(self.server.pid).children()
        return [child for child in children if "spawn_main" in " ".join(_command(child))]

    def _kill_worker(self) -> None:
        for worker in self._workers():
            worker.kill()
            self.counts.worker_kills += 1

    def _kill_server(self) -> None:
        assert self.server
        workers = self._workers()
        self.server.kill()
        self.server.wait()
        self.server = None
        self.counts.server_kills += 1
        self.counts.orphans += len(psutil.wait_procs(workers, timeout=30)[1])

    def _wait_for_the_end(self) -> None:
        end = time.monotonic() + 600
        while self._unfinished():
            assert time.monotonic() < end, "the queue does not come to its end"
            time.sleep(0.2)

    def _unfinished(self) -> list[JobState]:
        return [state for state in self._journal() if state.state in (QUEUED, RUNNING)]

    def _journal(self) -> list[JobState]:
        book = Journal(self.folder / "data" / "journal.db")
        try:
            return book.list(limit=1_000_000)
        finally:
            book.close()

    def _count(self) -> None:
        ends = {state.id: state for state in self._journal()}
        counts, finished = self.counts, [state for state in ends.values() if state.state == FINISHED]
        counts.queued, counts.finished = len(self.queued), len(finished)
        counts.set_aside = sum(state.state == SET_ASIDE for state in ends.values())
        counts.lost = sum(job not in ends or ends[job].state not in (FINISHED, SET_ASIDE) for job in self.queued)
        there = Counter((match["job"], int(match["index"])) for match in self._names())
        counts.twice = sum(times - 1 for times in there.values())
        wanted = [(state.id, index) for state in finished for index in range(state.request.count)]
        counts.missing = sum(picture not in there for picture in wanted)
        counts.missing += sum(job not in ends or ends[job].state != FINISHED for job in self.shown)
        counts.missing += sum(not result.path.is_file() for state in ends.values() for result in state.results)
        counts.half = sum(not _whole(path, ends) for path in self._files())

    def _files(self) -> list[Path]:
        return [path for path in self.outputs.rglob("*") if path.is_file()]

    def _names(self) -> Iterator[dict[str, str]]:
        return (match.groupdict() for path in self._files() if (match := outputs._NAME.fullmatch(path.name)))


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _whole(path: Path, jobs: dict[str, JobState]) -> bool:
    """Whether a file is a picture to its last pixel, and its record says what its job asked for."""
    try:
        with Image.open(path) as picture:
            picture.load()
        record = metadata.read(path)
    except (OSError, SyntaxError, ValueError):
        return False
    if record is None or record.job not in jobs:
        return False
    asked, made = jobs[record.job].request, record.resolved.request
    return made.prompt == asked.prompt and made.seed == (asked.seed or 0) + record.index
