"""A file while it is being downloaded: written over one or more connections, verified, and resumed after an interruption."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.download.connection import Response, open_url
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.disk import check_room
from engine.checkpoints.download.names import is_weights
from engine.checkpoints.download.network_errors import LOST, NetworkError, describe_gated
from engine.checkpoints.files.headers import read_header
from engine.errors import CheckpointError, DownloadError
from engine.json_values import parse_object
from engine.storage.atomic_files import PART, write_file
from engine.storage.regular_files import open_regular_file, read_regular_file

PIECE = 1 << 18
"""The most bytes that are read at once."""

TRIES = 5
"""Consecutive failed connections without new data after which a download fails."""

RETRY_DELAY = 0.5
"""Seconds before a retry, times the number of failures up to 3."""

ROOM_STEP = 32 << 20
"""Bytes after which the free disk space is checked again."""

_LARGEST_NOTE = 1 << 20

UNDECLARED_LIMIT = 64 << 30
"""The most bytes of a file of unknown size."""


@dataclass(frozen=True, kw_only=True)
class DownloadProgress:
    """``done`` of ``total`` bytes (0: unknown) of the file ``name``."""

    name: str
    done: int
    total: int


Tell = Callable[[DownloadProgress], None]


class PartFile:
    """The part-file of ``target``, and what is known of the complete file.

    ``size`` and ``sha256`` are those that the file must have, 0 and "" if not known. A note beside the part-file stores which
    version of the file it is a part of.
    """

    def __init__(
        self, url: str, target: Path, control: Control, tell: Tell, *, size: int = 0, sha256: str = "", token: str = ""
    ) -> None:
        self.path, self._note = target.with_name(target.name + PART), target.with_name(f"{target.name}{PART}.json")
        self._url, self._name, self._target, self._token = url, target.name, target, token
        self._control, self._tell = control, tell
        self._size, self._sha256 = size, sha256.lower()
        self._total, self._validator = size, ""
        self._recall()

    @property
    def done(self) -> int:
        """Bytes downloaded so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def can_resume(self) -> bool:
        """Whether the rest can be downloaded later, with certainty that it belongs to the same version of the file."""
        return self._total > 0 and bool(self._validator or self._sha256)

    def fill(self) -> None:
        """Download until the file is complete, reconnecting if necessary. Raises DownloadError, CancelledError, OSError."""
        failures, furthest = 0, self.done
        while True:
            self._control.wait(min(failures, 3) * RETRY_DELAY)
            interruptions = self._control.interruptions
            failure = self._try_request()
            if self._control.interruptions != interruptions:
                continue
            if failure is None:
                return
            failures = 0 if self.done > furthest else failures + 1
            furthest = max(furthest, self.done)
            if failures >= TRIES or not failure.is_temporary:
                raise failure

    def check(self) -> None:
        """Raises DownloadError, and deletes the part-file, unless the download is complete and has the expected content."""
        if self._sha256 and self._hash() != self._sha256:
            raise self._reject("its contents differ from what the source promised")
        if is_weights(self._name):
            try:
                read_header(self.path)
            except CheckpointError as error:
                raise self._reject("it is not a checkpoint") from error

    def remove(self) -> None:
        """Delete the part-file. Raises OSError."""
        self.path.unlink(missing_ok=True)
        self.forget()
        self._total, self._validator = self._size, ""

    def forget(self) -> None:
        """Delete the note beside the part-file. Raises OSError."""
        self._note.unlink(missing_ok=True)

    def _try_request(self) -> NetworkError | None:
        """Like :meth:`_request`; returns why the connection failed, None if it did not."""
        try:
            self._request()
        except NetworkError as error:
            return error
        return None

    def _request(self) -> None:
        """One request, from the end of the part-file. Raises NetworkError if the rest does not arrive."""
        start = self.done if self.can_resume else 0
        if start and start == self._total:
            return
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and self._validator:
            headers["If-Range"] = self._validator
        with open_url(self._url, self._control, headers=headers, token=self._token) as response:
            self._check_answer(response)
            start = self._find_start(response, start)
            self._accept(response, start)
            self._receive(response, start)
            if self.done < self._total:
                raise LOST.describe(response.host)

    def _check_answer(self, response: Response) -> None:
        """Raises NetworkError or DownloadError for a response without the file."""
        if response.status in (401, 403) and "/resolve/" in self._url:
            raise describe_gated(self._url.split("/resolve/")[0])
        if response.status == 416:  # the part is longer than the file is now
            self.remove()
            raise NetworkError(f"“{self._name}” has changed at its source. Try again.", is_temporary=True)
        response.raise_for_status(self._name)
        if "text/html" in response.headers.get("Content-Type", ""):
            raise DownloadError(f"The source sent a web page instead of “{self._name}”. Open the link in a browser to see why.")

    def _find_start(self, response: Response, asked: int) -> int:
        """The offset of the body in the file; 0 if the server sends all of it. Raises NetworkError for any other range."""
        if response.status != 206:
            return 0
        begin, whole = _parse_content_range(response)
        is_same = _read_validator(response) in ("", self._validator) and whole in (0, self._total)
        if begin != asked or not is_same:
            self.remove()
            raise NetworkError(f"“{response.host}” sent another part of “{self._name}” than was asked for.", is_temporary=True)
        return asked

    def _accept(self, response: Response, start: int) -> None:
        """Note the version of the file. Raises DownloadError if it is not the expected one, or too large."""
        self._total = self._size if response.length is None else start + response.length
        if self._size and self._total != self._size:
            raise DownloadError(
                f"“{self._name}” has {self._total:,} bytes there instead of {self._size:,}: the source offers another file. "
                "Try another source."
            )
        check_room(self.path.parent, max(0, self._total - start), self._name)
        self._validator = _read_validator(response)
        write_file(self._note, json.dumps({"url": self._url, "mark": self._validator, "total": self._total}))

    def _receive(self, response: Response, start: int) -> None:
        limit = self._total or UNDECLARED_LIMIT
        with self.path.open("r+b" if start else "wb") as file:
            if start:
                file.seek(start)
                file.truncate()
            done = looked = start
            self._tell(DownloadProgress(name=self._name, done=done, total=self._total))
            while not self._control.is_paused and (piece := response.read(PIECE)):
                self._control.raise_if_cancelled()
                done += len(piece)
                if done > limit:
                    raise self._reject(f"the source sends more than the {limit:,} bytes that it may have")
                if done - looked >= ROOM_STEP:
                    check_room(self.path.parent, 0, self._name)
                    looked = done
                file.write(piece)
                self._tell(DownloadProgress(name=self._name, done=done, total=self._total))
            file.flush()
            os.fsync(file.fileno())

    def _hash(self) -> str:
        digest = hashlib.sha256()
        with open_regular_file(self.path) as file:
            while piece := file.read(1 << 22):
                self._control.wait()
                digest.update(piece)
        return digest.hexdigest()

    def _reject(self, why: str) -> DownloadError:
        self.remove()
        return DownloadError(f"“{self._name}” was downloaded but deleted again: {why}. Download it again, or try another source.")

    def _recall(self) -> None:
        """Read the note of an earlier attempt. The part of another file is deleted. Raises OSError."""
        try:
            known = parse_object(read_regular_file(self._note, _LARGEST_NOTE)) if self._note.exists() else {}
        except ValueError:
            known = {}
        validator, total = known.get("mark"), known.get("total")
        if known.get("url") != self._url:
            self.path.unlink(missing_ok=True)
        elif isinstance(validator, str) and isinstance(total, int):
            self._validator, self._total = validator, total


def _read_validator(response: Response) -> str:
    """The validator for If-Range: a strong ETag, or else the date; "" without either."""
    tag = response.headers.get("ETag", "").strip()
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "").strip()


def _parse_content_range(response: Response) -> tuple[int, int]:
    """First byte and total size from Content-Range; -1 and 0 if it does not say."""
    written = response.headers.get("Content-Range", "").strip()
    found = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", written)
    return (int(found[1]), 0 if found[2] == "*" else int(found[2])) if found else (-1, 0)
