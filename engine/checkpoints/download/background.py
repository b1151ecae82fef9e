"""Downloads in the background: their size is looked up first, then they can be started, paused, resumed and cancelled."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.download import hub
from engine.checkpoints.download.hub import DownloadPlan
from engine.checkpoints.download.sources import DownloadSource
from engine.checkpoints.download.transfer import Control, DownloadProgress
from engine.errors import CancelledError, EaselError

ASKING, OFFERED, RUNNING, PAUSED, FINISHED, FAILED, CANCELLED = (
    "asking", "offered", "running", "paused", "finished", "failed", "cancelled",
)  # fmt: skip
"""A download is asked about, then offered with its size until the user says yes, then runs."""

GOING_ON = (ASKING, RUNNING)
"""States that change by themselves."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """One download as the page shows it. ``done`` and ``total`` are bytes, ``total`` 0 where nobody knows; ``free`` is what the
    disk has left. ``said`` is a sentence for what went wrong, or ""."""

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


class DownloadManager:
    """All downloads into one folder since Easel started. Any thread may use it."""

    def __init__(self, folder: Path, look: Callable[[DownloadSource], DownloadPlan] = hub.look) -> None:
        self._folder, self._look = folder, look
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._known: dict[int, Download] = {}
        self._plans: dict[int, DownloadPlan] = {}
        self._controls: dict[int, Control] = {}

    def all(self) -> tuple[Download, ...]:
        """Every download, the newest first."""
        with self._lock:
            return tuple(reversed(self._known.values()))

    @property
    def busy(self) -> bool:
        """Whether something changes by itself."""
        return any(download.state in GOING_ON for download in self.all())

    def ask(self, sources: Sequence[DownloadSource], label: str, licence: str = "", licence_link: str = "") -> int:
        """Ask the first of ``sources`` that answers what it holds. The number of the new download."""
        with self._lock:
            number = next(self._numbers)
            self._known[number] = Download(number=number, label=label, licence=licence, licence_link=licence_link, state=ASKING)
        threading.Thread(target=self._ask, args=(number, tuple(sources)), name=f"ask {label}", daemon=True).start()
        return number

    def start(self, number: int) -> None:
        """Fetch what was offered, or go on with what was paused, cancelled or failed."""
        with self._lock:
            state = self._known[number].state if number in self._known else ""
            if state == PAUSED:
                self._controls[number].resume()
                self._known[number] = dataclasses.replace(self._known[number], state=RUNNING)
                return
            if state not in (OFFERED, CANCELLED, FAILED) or number not in self._plans:
                return
            self._controls[number] = Control()
            self._known[number] = dataclasses.replace(self._known[number], state=RUNNING, said="")
        threading.Thread(target=self._fetch, args=(number,), name=f"download {number}", daemon=True).start()

    def pause(self, number: int) -> None:
        """Hold on."""
        with self._lock:
            if number in self._known and self._known[number].state == RUNNING:
                self._controls[number].pause()
                self._known[number] = dataclasses.replace(self._known[number], state=PAUSED)

    def cancel(self, number: int) -> None:
        """End a download, or decline what was offered. What was fetched stays for another time."""
        with self._lock:
            if number in self._controls:
                self._controls[number].cancel()
            elif number in self._known:
                del self._known[number]

    def dismiss(self, number: int) -> None:
        """Show an ended one no longer."""
        with self._lock:
            if number in self._known and self._known[number].state in (FINISHED, FAILED, CANCELLED):
                del self._known[number]

    def _ask(self, number: int, sources: tuple[DownloadSource, ...]) -> None:
        said = "There is no source for this. Paste a link instead."
        for source in sources:
            try:
                plan = self._look(source)
            except EaselError as error:
                said = str(error)
                continue
            with self._lock:
                self._plans[number] = plan
            self._offer(number, plan, source.repository or source.link)
            return
        self._end(number, FAILED, said)

    def _fetch(self, number: int) -> None:
        def tell(progress: DownloadProgress) -> None:
            self._change(number, lambda download: dataclasses.replace(download, done=progress.done, total=progress.total))

        try:
            hub.fetch_plan(self._plans[number], self._folder, self._controls[number], tell)
        except CancelledError:
            self._end(number, CANCELLED)
        except EaselError as error:
            self._end(number, FAILED, str(error))
        except Exception as error:
            self._end(number, FAILED, f"The download ended in an unforeseen way ({type(error).__name__}: {error}).")
        else:
            self._end(number, FINISHED)

    def _offer(self, number: int, plan: DownloadPlan, source: str) -> None:
        offer = {"name": plan.name, "source": source, "state": OFFERED}
        size, free = plan.bytes, _free(self._folder)
        self._change(number, lambda download: dataclasses.replace(download, total=size, free=free, **offer))

    def _end(self, number: int, state: str, said: str = "") -> None:
        self._change(number, lambda download: dataclasses.replace(download, state=state, said=said or download.said))

    def _change(self, number: int, change: Callable[[Download], Download]) -> None:
        """Replace a download by ``change`` of it, unless it was dismissed meanwhile."""
        with self._lock:
            if number in self._known:
                self._known[number] = change(self._known[number])


def _free(folder: Path) -> int:
    """Bytes that the disk of ``folder`` has left."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free
