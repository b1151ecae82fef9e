"""Limits on request bodies: the size of one, the total of all in flight, and the disk space that uploads must leave."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Message, Receive

from api.application import find_path

FILES = ("/sketches", "/gradio_api/upload", "/upload")
"""Paths whose bodies are files, which are written to disk as they arrive. All other bodies are read into memory."""

UPLOAD_LIMIT = 256 * 1024**2
"""The most bytes of files that one request may send."""

UPLOADS_AT_ONCE = 6 * UPLOAD_LIMIT
"""The most bytes of files that all requests together may be sending."""

VALUES_LIMIT, VALUES_AT_ONCE = 2**24, 2**26
"""The same two limits, in bytes, for bodies that are not files."""

API_LIMIT, API_AT_ONCE = 2**26, 2**27
"""The same for the API, whose clients send pictures as texts."""

DISK_SPARE = 2**29
"""Bytes that uploads leave free on the disk."""


@dataclass(frozen=True)
class Allowance:
    """The most bytes of one body, and of all of its kind at once. ``kind``: "files" are written to the disk as they arrive,
    "values" of the page and requests to the "api" are not."""

    kind: str
    limit: int
    at_once: int


TOO_LARGE = "This is larger than {megabytes} MB, the most that Easel takes at once. Send fewer files, or a shorter text."
TOO_MUCH = "Easel is taking as many uploads as it can hold at a time. Wait until they are done and try again."
NO_ROOM = "The disk that uploads go to is full. Free some space and try again."


class BodyBudget:
    """Counts the bytes of all requests in flight, for one event loop.

    ``disk`` is a folder on the disk that uploads are written to; None skips the check of its free space.
    """

    def __init__(self, disk: Path | None = None) -> None:
        self._disk = disk
        self._taken: Counter[str] = Counter()

    def refuse(self, path: str, length: int) -> str:
        """The sentence that refuses ``length`` more bytes at ``path``; "" if they are accepted."""
        allowance = find_allowance(path)
        if self._taken[allowance.kind] + length > allowance.at_once:
            return TOO_MUCH
        return NO_ROOM if allowance.kind == "files" and length and not self._has_room(length) else ""

    @contextmanager
    def carry(self, path: str, length: int | None, receive: Receive) -> Generator[Body]:
        """The body of a request, counted until the block ends. ``length`` is Content-Length, None if there is none."""
        body = Body(self, path, length, receive)
        try:
            yield body
        finally:
            self._taken[find_allowance(path).kind] -= body.counted

    def count(self, path: str, length: int) -> None:
        """Count ``length`` more bytes."""
        self._taken[find_allowance(path).kind] += length

    def _has_room(self, length: int) -> bool:
        if self._disk is None:
            return True
        with suppress(OSError):
            return shutil.disk_usage(self._disk).free - length > DISK_SPARE
        return True  # writing the upload reports what is wrong with the disk


class Body:
    """A request body as it arrives. ``refusal`` is the sentence that rejected it, "" if it was not rejected."""

    def __init__(self, budget: BodyBudget, path: str, length: int | None, receive: Receive) -> None:
        self._budget, self._path, self._receive = budget, path, receive
        self._arrived = 0
        self.counted = length or 0
        self.refusal = ""
        budget.count(path, self.counted)

    async def receive(self) -> Message:
        """The next ASGI message; ``http.disconnect`` once the body exceeds a limit."""
        message = {"type": "http.disconnect"} if self.refusal else await self._receive()
        self._arrived += len(message.get("body", b""))
        if self._arrived > self.counted:
            self._grow(self._arrived - self.counted)
        return {"type": "http.disconnect"} if self.refusal else message

    def _grow(self, more: int) -> None:
        if self._arrived > find_limit(self._path):
            self.refusal = describe_limit(self._path)
            return
        self.refusal = self._budget.refuse(self._path, more)
        if not self.refusal:
            self._budget.count(self._path, more)
            self.counted += more


def find_allowance(path: str) -> Allowance:
    """What requests may send to ``path``."""
    if path.startswith(FILES):
        return Allowance("files", UPLOAD_LIMIT, UPLOADS_AT_ONCE)
    if find_path(path) is not None:
        return Allowance("api", API_LIMIT, API_AT_ONCE)
    return Allowance("values", VALUES_LIMIT, VALUES_AT_ONCE)


def find_limit(path: str) -> int:
    """The most bytes that one request may send to ``path``."""
    return find_allowance(path).limit


def describe_limit(path: str) -> str:
    """The sentence for a request that exceeds :func:`find_limit`."""
    return TOO_LARGE.format(megabytes=find_limit(path) // 2**20)


def read_length(headers: Mapping[str, str]) -> int | None:
    """Content-Length in bytes, None if it is missing. An invalid one counts as larger than any limit."""
    length = headers.get("content-length")
    if length is None:
        return None
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else 2**60
