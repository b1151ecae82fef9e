"""Kills servers and workers at random moments, and counts what was lost."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from engine.jobs.journal import FINISHED, QUEUED, RUNNING, SET_ASIDE, JobState, Journal
from engine.records import metadata, outputs
from engine.settings import HOUSE
from tests.attack.kills.writer import count_deaths

_JOB = re.compile(r"j[0-9a-f]{15}")

CUT_START = "EOFError: Ran out of input"
"""Python's message in a child whose parent was killed between starting it and sending its task."""

STAGES = ("", "queued", "began", "saved", "saved")
"""The server's last message before it is killed: none yet, or one of the words of :mod:`tests.attack.kills.server`."""

WAITING = 3
"""Jobs that are kept queued meanwhile."""

WAIT_TIMEOUT = 600.0
"""Timeout of every wait; generous, for busy machines."""


@dataclass
class Counts:
    """The results; everything from ``missing`` on must be 0.

    ``missing``: images that were reported as finished and do not exist. ``half``: files that are not a complete image with
    its record. ``lost``: jobs that were reported as queued and never ended. ``twice``: images of a job that exist twice.
    ``orphans``: workers that outlived their server. ``traces``: stack traces that a process printed.
    """

    server_kills: int = 0
    worker_kills: int = 0
    writer_kills: int = 0
    queued: int = 0
    finished: int = 0
    set_aside: int = 0
    missing: int = 0
    half: int = 0
    lost: int = 0
    twice: int = 0
    orphans: int = 0
    traces: int = 0

    @property
    def kills(self) -> int:
        return self.server_kills + self.worker_kills + self.writer_kills


@dataclass
class Siege:
    """One data folder, and the servers that are started on it one after the other."""

    folder: Path
    runner: str
    prompts: tuple[str, ...]
    dice: random.Random
    counts: Counts = field(default_factory=Counts)
    jobs: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    server: subprocess.Popen[str] | None = None
    said: Counter[str] = field(default_factory=Counter)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def complaints(self) -> Path:
        """What the servers wrote to standard error."""
        return self.folder / "complaints"

    def lay(self, kills: int, longest: float) -> Counts:
        """Kill ``kills`` times, then let every job end, and count.

        Each kill happens 0 to ``longest`` seconds after one of :data:`STAGES`, often at once. It hits the server or its worker;
        a process may also kill itself while it writes a file.
        """
        while self.counts.kills < kills:
            self._start()
            stage, before = self.dice.choice(STAGES), self.said.copy()
            self._submit()
            if stage:
                self._wait(lambda: self.said[stage] > before[stage])  # noqa: B023
            time.sleep(self.dice.choice((0.001, 0.01, longest)) * self.dice.random())
            self._kill_worker() if self.dice.random() < 0.4 else self._kill_server()
            self.counts.writer_kills = count_deaths(self.data)
        self._start()
        self._wait(lambda: not self._list_unfinished())
        self._kill_server()
        self._tidy()
        self._count()
        return self.counts

    def _start(self) -> None:
        if self.server is None:
            command = [sys.executable, "-m", "tests.attack.kills.server", self.data, self.outputs, self.runner]
            with self.complaints.open("a") as complaints:
                self.server = subprocess.Popen(
                    command, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
                )
            threading.Thread(target=self._read_output, args=(self.server,), daemon=True).start()

    def _tidy(self) -> None:
        """A start removes the part-files of killed processes."""
        before = self.said["ready"]
        self._start()
        self._wait(lambda: self.said["ready"] > before)
        self._kill_server()

    def _read_output(self, server: subprocess.Popen[str]) -> None:
        assert server.stdout
        for line in server.stdout:
            what, _, job = line.strip().partition(" ")
            self.said[what] += 1
            if _JOB.fullmatch(job):  # a kill may truncate the line, and two threads may write to the same one
                self.jobs[what].add(job)

    def _submit(self) -> None:
        assert self.server and self.server.stdin
        for _ in range(max(1, WAITING - len(self._list_unfinished()))):
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

    def _wait(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_TIMEOUT
        while not true():
            assert time.monotonic() < end, f"it does not come: {self.counts}"
            time.sleep(0.005)

    def _list_unfinished(self) -> list[JobState]:
        return [state for state in self._journal() if state.state in (QUEUED, RUNNING)]

    def _journal(self) -> list[JobState]:
        book = Journal(self.data / "journal.db")
        try:
            return book.list(limit=1_000_000)
        finally:
            book.close()

    def _count(self) -> None:
        ends = {state.id: state for state in self._journal()}
        counts, finished = self.counts, [state for state in ends.values() if state.state == FINISHED]
        counts.queued, counts.finished = len(self.jobs["queued"]), len(finished)
        counts.set_aside = sum(state.state == SET_ASIDE for state in ends.values())
        counts.lost = sum(job not in ends or ends[job].state not in (FINISHED, SET_ASIDE) for job in self.jobs["queued"])
        there = Counter((match["job"], int(match["index"])) for match in self._names())
        counts.twice = sum(times - 1 for times in there.values())
        wanted = [(state.id, index) for state in finished for index in range(state.request.count)]
        counts.missing = sum(image not in there for image in wanted)
        counts.missing += sum(job not in ends or ends[job].state != FINISHED for job in self.jobs["finished"])
        counts.missing += sum(not result.path.is_file() for state in ends.values() for result in state.results)
        counts.half = sum(not _is_whole(path, ends) for path in self._files())
        logs = [self.complaints, *(self.data / "logs").glob("*")]
        said = "".join(log.read_text("utf-8", "replace") for log in logs if log.exists())
        counts.traces = said.count("Traceback") - said.count(CUT_START)

    def _files(self) -> list[Path]:
        return [path for path in self.outputs.rglob("*") if path.is_file()]

    def _names(self) -> Iterator[dict[str, str]]:
        return (match.groupdict() for path in self._files() if (match := outputs._NAME.fullmatch(path.name)))


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _is_whole(path: Path, jobs: dict[str, JobState]) -> bool:
    """Whether a file is a complete image, and its record matches its job's request."""
    try:
        with Image.open(path) as image:
            image.load()
        record = metadata.read(path)
    except (OSError, SyntaxError, ValueError):
        return False
    if record is None or record.job not in jobs:
        return False
    asked, made = jobs[record.job].request, record.resolved.request
    return made.prompt == asked.prompt and made.seed == (asked.seed or 0) + record.index
