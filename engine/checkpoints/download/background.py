"""Downloads in the background: their size is determined first, then they can be started, paused, resumed and cancelled."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.checkpoints.download import hub
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.disk import measure_free
from engine.checkpoints.download.internal_hosts import InternalHostError
from engine.checkpoints.download.network_errors import name_error
from engine.checkpoints.download.part_file import DownloadProgress
from engine.checkpoints.download.plan import DownloadPlan
from engine.checkpoints.download.sources import DownloadSource
from engine.checkpoints.download.transfer import fetch_plan, remove_part
from engine.errors import CancelledError, EaselError
from engine.safe_text import make_encodable

ASKING, CONFIRMING, OFFERED, RUNNING, PAUSED, FINISHED, FAILED, CANCELLED = (
    "asking", "confirming", "offered", "running", "paused", "finished", "failed", "cancelled",
)  # fmt: skip
"""ASKING: the source is queried; OFFERED: the size is shown until the user starts the download, which is then RUNNING.

CONFIRMING waits for the user to allow a host inside the network; it comes before OFFERED, or during RUNNING.
"""

GOING_ON = (ASKING, RUNNING)
"""States that change by themselves."""

ENDED = (FINISHED, FAILED, CANCELLED)


@dataclass(frozen=True, kw_only=True)
class Download:
    """One download as the page shows it. ``done`` and ``total`` are bytes, ``total`` 0 if unknown; ``free`` is the free space of
    the disk. ``said`` is a sentence with an error or a question, or ""."""

    number: int
    label: str
    licence: str
    licence_link: str
    state: str
    name: str = ""
    source: str = ""
    done: int = 0
    total: int = 0
    free: int = 0
    said: str = ""


class Look(Protocol):
    """Queries a source: :func:`engine.checkpoints.download.hub.look`."""

    def __call__(self, source: DownloadSource, *, control: Control) -> DownloadPlan: ...


@dataclass
class _Transfer:
    """The state of a download that the page does not show. ``plan`` is None until a source has answered."""

    sources: tuple[DownloadSource, ...]
    control: Control
    plan: DownloadPlan | None = None
    asked: InternalHostError | None = None


class DownloadManager:
    """All downloads into one folder since Easel started. Thread-safe."""

    def __init__(self, folder: Path, look: Look = hub.look) -> None:
        self._folder, self._look = folder, look
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._known: dict[int, Download] = {}
        self._jobs: dict[int, _Transfer] = {}

    def all(self) -> tuple[Download, ...]:
        """Every download, newest first."""
        with self._lock:
            return tuple(reversed(self._known.values()))

    @property
    def busy(self) -> bool:
        """Whether any download is in one of the states :data:`GOING_ON`."""
        return any(download.state in GOING_ON for download in self.all())

    def ask(self, sources: Sequence[DownloadSource], label: str, licence: str = "", licence_link: str = "") -> int:
        """Query ``sources`` in order until one answers; returns the number of the new download."""
        with self._lock:
            number = next(self._numbers)
            self._known[number] = Download(number=number, label=label, licence=licence, licence_link=licence_link, state=ASKING)
            self._jobs[number] = _Transfer(tuple(sources), Control())
            job = self._jobs[number]
        self._start_thread(number, job, self._ask)
        return number

    def start(self, number: int) -> None:
        """Start an offered download, allow the host that is asked about, or continue one that was paused, cancelled or failed."""
        with self._lock:
            download, job = self._known.get(number), self._jobs.get(number)
            if download is None or job is None or download.state not in (CONFIRMING, OFFERED, PAUSED, CANCELLED, FAILED):
                return
            state, said = (RUNNING, "") if job.plan else (ASKING, "")
            if job.plan and self._is_taken(number, job.plan):
                state, said = download.state, f"“{job.plan.name}” is being downloaded already. Wait for that download to end."
            self._known[number] = dataclasses.replace(download, state=state, said=said)
            if said:
                return
            if download.state == PAUSED:
                job.control.resume()
                return
            job.control = job.control.renew()
            if job.asked:
                job.control.allow(job.asked.endpoints)
                job.asked = None
        self._start_thread(number, job, self._fetch if job.plan else self._ask)

    def pause(self, number: int) -> None:
        """Close the connection until :meth:`start`."""
        with self._lock:
            if number in self._known and self._known[number].state == RUNNING:
                self._jobs[number].control.pause()
                self._known[number] = dataclasses.replace(self._known[number], state=PAUSED)

    def cancel(self, number: int) -> None:
        """End a download, or decline an offer or a question. The part-file is kept if it can be resumed."""
        with self._lock:
            if number not in self._known:
                return
            self._jobs[number].control.cancel()
            if self._known[number].state in (ASKING, CONFIRMING, OFFERED):
                self._forget(number)

    def dismiss(self, number: int) -> None:
        """Remove an ended download from the list."""
        with self._lock:
            if number in self._known and self._known[number].state in ENDED:
                self._forget(number)

    def discard(self, number: int) -> None:
        """Delete the part-file of a failed or cancelled download, and remove it from the list."""
        with self._lock:
            download, job = self._known.get(number), self._jobs.get(number)
            if download is None or job is None or download.state not in (FAILED, CANCELLED):
                return
            try:
                if job.plan and not self._is_taken(number, job.plan):
                    remove_part(job.plan, self._folder)
            except EaselError as error:
                self._known[number] = dataclasses.replace(download, said=str(error))
            else:
                self._forget(number)

    def _start_thread(self, number: int, job: _Transfer, work: Callable[[int, _Transfer], None]) -> None:
        """Run ``work`` in a thread; any exception ends the download with a sentence."""

        def carry_out() -> None:
            try:
                work(number, job)
            except CancelledError:
                self._end(number, CANCELLED)
            except InternalHostError as error:
                job.asked = error
                self._end(number, CONFIRMING, str(error))
            except EaselError as error:
                self._end(number, FAILED, str(error))
            except BaseException as error:
                self._end(number, FAILED, f"The download ended unexpectedly ({make_encodable(name_error(error))}). Try again.")

        try:
            threading.Thread(target=carry_out, name=f"download {number}", daemon=True).start()
        except RuntimeError:  # the system cannot start another thread
            self._end(number, FAILED, "This computer is too busy for a download. Close other programs, then try again.")

    def _ask(self, number: int, job: _Transfer) -> None:
        failure = EaselError("There is no source for this. Paste a link instead.")
        for source in job.sources:
            try:
                plan = self._look(source, control=job.control)
            except (InternalHostError, CancelledError):
                raise
            except EaselError as error:
                failure = error
                continue
            job.plan = plan
            self._change(
                number, state=OFFERED, name=plan.name, source=source.repository or source.link, total=plan.bytes,
                free=measure_free(self._folder),
            )  # fmt: skip
            return
        raise failure

    def _fetch(self, number: int, job: _Transfer) -> None:
        def tell(progress: DownloadProgress) -> None:
            self._change(number, done=progress.done, total=progress.total)

        if job.plan is not None:
            fetch_plan(job.plan, self._folder, job.control, tell)
            self._end(number, FINISHED)

    def _is_taken(self, number: int, plan: DownloadPlan) -> bool:
        """Whether another download writes to the same path."""
        running = (other for other, download in self._known.items() if other != number and download.state in (RUNNING, PAUSED))
        plans = [self._jobs[other].plan for other in running]
        return any(other is not None and other.name.casefold() == plan.name.casefold() for other in plans)

    def _end(self, number: int, state: str, said: str = "") -> None:
        self._change(number, state=state, said=said)

    def _change(self, number: int, **changes: str | int) -> None:
        """Replace fields of a download, unless it was dismissed meanwhile."""
        with self._lock:
            if number in self._known:
                self._known[number] = dataclasses.replace(self._known[number], **changes)

    def _forget(self, number: int) -> None:
        del self._known[number], self._jobs[number]
