"""Downloads a checkpoint, only when the user asked: to a part-file, with pause, resume and checks, renamed when complete.

No torch. :mod:`engine.checkpoints.download.hub` knows what the hub holds, :mod:`engine.checkpoints.download.background` runs
several at once.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.download.sources import DownloadSource
from engine.checkpoints.files.headers import read_header
from engine.errors import CancelledError, CheckpointError, DownloadError
from engine.storage.atomic_files import move_into_place, write_file

PIECE = 1 << 20
PATIENCE = 30.0
"""Seconds without a byte after which a connection counts as broken."""

TRIES = 5
"""Broken connections in a row, without a single byte between them, after which a download gives up."""

SPARE = 256 << 20
"""Bytes that stay free on the disk."""

PART = ".part"
"""The ending of files and folders that are not whole yet."""


@dataclass(frozen=True, kw_only=True)
class DownloadProgress:
    """``done`` of ``total`` bytes (0: unknown) of the file ``name``."""

    name: str
    done: int
    total: int


Tell = Callable[[DownloadProgress], None]


class Control:
    """One download's pause and cancel. Set from any thread."""

    def __init__(self) -> None:
        self._cancelled, self._running = threading.Event(), threading.Event()
        self._running.set()

    def pause(self) -> None:
        """Hold on; what was fetched stays."""
        self._running.clear()

    def resume(self) -> None:
        """Go on."""
        self._running.set()

    def cancel(self) -> None:
        """End it; what was fetched stays in the part-file for another time."""
        self._cancelled.set()
        self._running.set()

    def wait(self, seconds: float = 0.0) -> None:
        """Returns when running and after ``seconds``. Raises CancelledError."""
        self._running.wait()
        if self._cancelled.wait(seconds) if seconds else self._cancelled.is_set():
            raise CancelledError

    @property
    def is_paused(self) -> bool:
        """Whether somebody pressed Pause."""
        return not self._running.is_set()


def fetch(
    source: DownloadSource, target: Path, control: Control, tell: Tell, *, size: int = 0, sha256: str = "", token: str = ""
) -> Path:
    """Fetch one file to ``target`` and return its path. It is there under its name only when it is whole and right.

    ``size`` and ``sha256`` are checked where they are known. ``token`` goes to the source's own host alone. Raises DownloadError,
    a sentence, when it fails, CancelledError when cancelled; the part-file then stays, and the next call resumes from it.
    """
    check_proxy(source.url, target.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _PartFile(source.url, target, control, tell, size, token)
        part.fill()
        part.check(sha256)
        move_into_place(part.path, target)
    except OSError as error:
        raise DownloadError(f"“{target.name}” cannot be written into “{target.parent}”: {error.strerror or error}.") from error
    part.note.unlink(missing_ok=True)
    return target


def check_proxy(url: str, name: str) -> None:
    """Raises DownloadError if the person wants a proxy for ``url`` that cannot be used; to go past it would show who asks."""
    proxy = os.environ.get("EASEL_UNUSABLE_PROXY")
    if proxy and not urllib.request.proxy_bypass(urllib.parse.urlsplit(url).hostname or ""):
        raise DownloadError(
            f"“{name}” was not downloaded: Easel cannot use this computer's proxy ({proxy}). Set HTTPS_PROXY to the "
            "address of an HTTP proxy (http://host:port) and start Easel again, or download the file with a browser and put "
            "it into “models”."
        )


def gated(page: str) -> str:
    """What to say when the hub wants to know who asks."""
    return (
        f"This checkpoint is gated: accept its licence on {page} with your hub account, then log in with “hf auth login” "
        "or set the variable HF_TOKEN, and download again."
    )


def check_room(folder: Path, size: int, name: str) -> None:
    """Raises DownloadError unless ``size`` more bytes fit on the disk of ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size + SPARE > free:
        raise DownloadError(
            f"“{name}” needs {size / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB left. Free some, or choose another folder."
        )


class _PartFile:
    """The part-file of one download, and what is known of the whole."""

    def __init__(self, url: str, target: Path, control: Control, tell: Tell, size: int, token: str) -> None:
        self.url, self.name = url, target.name
        self.path, self.note = target.with_name(target.name + PART), target.with_name(f"{target.name}{PART}.json")
        self.control, self.tell, self.token = control, tell, token
        self.expected, self.total, self.mark = size, size, ""
        self._recall()

    def fill(self) -> None:
        """Request until everything is there. After a broken connection the download resumes where it broke."""
        failures = 0
        while True:
            self.control.wait(min(failures, 3) * 0.5)
            before = self.done
            try:
                self._ask()
                if not self.total or self.done >= self.total:
                    return
            except (http.client.HTTPException, TimeoutError, ConnectionError, urllib.error.URLError) as error:
                self._raise_if_final(error)
            failures = 0 if self.done > before else failures + 1
            if failures >= TRIES:
                raise DownloadError(
                    f"“{self.name}” cannot be downloaded: the connection keeps breaking. Try again later; it resumes from here."
                )

    @property
    def done(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def _ask(self) -> None:
        """One connection, from where the part-file ends."""
        start = self.done
        if self.total and start == self.total:
            return
        request = urllib.request.Request(self.url, headers={"User-Agent": "easel", "Accept-Encoding": "identity"})
        if start:
            request.add_header("Range", f"bytes={start}-")
            if self.mark:
                request.add_header("If-Range", self.mark)
        if self.token:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            start = self._agree(answer, start)
            self._receive(answer, start)

    def _agree(self, answer: http.client.HTTPResponse, start: int) -> int:
        """Where the bytes of ``answer`` belong. A server that ignores the range sends the whole again."""
        if answer.status != 206:
            start = 0
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            self.path.unlink(missing_ok=True)
            raise ConnectionError("another part than the one that was asked for")
        length = answer.headers.get("Content-Length", "")
        self.total = start + int(length) if length.isdigit() else 0
        if self.expected and self.total and self.total != self.expected:
            raise DownloadError(
                f"“{self.name}” has {self.total:,} bytes there instead of {self.expected:,}: the source offers another file. "
                "Try another source."
            )
        self.mark = answer.headers.get("ETag", "")
        self.mark = "" if self.mark.startswith("W/") else self.mark
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise DownloadError(f"The source sent a web page instead of “{self.name}”. Open the link in a browser to see why.")
        check_room(self.path.parent, max(0, self.total - start), self.name)
        write_file(self.note, json.dumps({"url": self.url, "mark": self.mark, "total": self.total}))
        return start

    def _receive(self, answer: http.client.HTTPResponse, start: int) -> None:
        with self.path.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            self.tell(DownloadProgress(name=self.name, done=start, total=self.total))
            while piece := answer.read(PIECE):
                file.write(piece)
                self.tell(DownloadProgress(name=self.name, done=file.tell(), total=self.total))
                if self.control.is_paused:
                    return
                self.control.wait()
            file.flush()
            os.fsync(file.fileno())

    def _raise_if_final(self, error: Exception) -> None:
        """Raises DownloadError for an answer that asking again would not change."""
        if not isinstance(error, urllib.error.HTTPError):
            return
        if error.code in (401, 403):
            raise DownloadError(gated(self.url.split("/resolve/")[0])) from error
        if error.code == 416:
            self.path.unlink(missing_ok=True)
            return
        if error.code < 500 and error.code not in (408, 429):
            raise DownloadError(f"The source has no “{self.name}” any more (answer {error.code}). Try another source.") from error

    def check(self, sha256: str) -> None:
        """Raises DownloadError, and removes the part-file, unless the download is complete and a checkpoint."""
        if self.total and self.done != self.total:
            raise self._wrong(f"{self.done:,} of {self.total:,} bytes arrived")
        if sha256 and _sha256(self.path) != sha256.lower():
            raise self._wrong("its contents differ from what the source promised")
        if self.name.endswith((".safetensors", ".ckpt", ".pt", ".pth", ".bin")):
            try:
                read_header(self.path)
            except CheckpointError as error:
                raise self._wrong("it is not a checkpoint") from error

    def _wrong(self, why: str) -> DownloadError:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        return DownloadError(f"“{self.name}” was downloaded but deleted again: {why}. Download it again, or try another source.")

    def _recall(self) -> None:
        """What an earlier attempt stored. A part of a different file is not resumed."""
        try:
            known = json.loads(self.note.read_text("utf-8"))
        except (OSError, ValueError):
            known = {}
        if known.get("url") != self.url:
            self.path.unlink(missing_ok=True)
            return
        self.mark, self.total = str(known.get("mark", "")), int(known.get("total", 0))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
