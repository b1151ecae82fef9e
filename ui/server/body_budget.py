"""Bounds for the bodies of requests: each one, all that are under way together, and the disk that uploads go to."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from starlette.types import Message, Receive

FILES = ("/sketches", "/gradio_api/upload", "/upload")
"""Roads whose bodies are files, which go to the disk as they come. All other bodies are read into memory."""

UPLOAD_LIMIT = 256 * 1024**2
"""Bytes that one request may bring in files."""

UPLOADS_AT_ONCE = 6 * UPLOAD_LIMIT
"""Bytes of files that are under way at the same time."""

VALUES_LIMIT, VALUES_AT_ONCE = 2**24, 2**26
"""Bytes that one request may bring in other values, and all at the same time."""

DISK_SPARE = 2**29
"""Bytes that uploads leave free on the disk."""

TOO_LARGE = "This is larger than {megabytes} MB, the most that Easel takes at once. Send fewer files, or a shorter text."
TOO_MUCH = "Easel is taking as many uploads as it can hold at a time. Wait until they are done and try again."
NO_ROOM = "The disk that uploads go to is full. Free some space and try again."


class BodyBudget:
    """The bytes that are under way. It belongs to one event loop. ``disk`` is where files go, None if that is not looked at."""

    def __init__(self, disk: Path | None = None) -> None:
        self._disk = disk
        self._taken = {True: 0, False: 0}

    def refuse(self, path: str, length: int) -> str:
        """Why a body of ``length`` bytes more cannot come in at ``path``, a sentence; "" if it can."""
        is_file = path.startswith(FILES)
        if self._taken[is_file] + length > (UPLOADS_AT_ONCE if is_file else VALUES_AT_ONCE):
            return TOO_MUCH
        return NO_ROOM if is_file and length and not self._has_room(length) else ""

    @contextmanager
    def carry(self, path: str, length: int | None, receive: Receive) -> Generator[Body]:
        """The body of a request, whose bytes count until the block ends. ``length`` is None if it is not said."""
        body = Body(self, path, length, receive)
        try:
            yield body
        finally:
            self._taken[path.startswith(FILES)] -= body.counted

    def count(self, path: str, length: int) -> None:
        """Count ``length`` bytes more."""
        self._taken[path.startswith(FILES)] += length

    def _has_room(self, length: int) -> bool:
        if self._disk is None:
            return True
        with suppress(OSError):
            return shutil.disk_usage(self._disk).free - length > DISK_SPARE
        return True  # who writes there says what is wrong with it


class Body:
    """A body while it comes. ``refusal`` is the sentence with which it was ended, "" as long as it was not."""

    def __init__(self, budget: BodyBudget, path: str, length: int | None, receive: Receive) -> None:
        self._budget, self._path, self._receive = budget, path, receive
        self._arrived = 0
        self.counted = length or 0
        self.refusal = ""
        budget.count(path, self.counted)

    async def receive(self) -> Message:
        """The next message; the end of the request where it grows past a bound."""
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


def find_limit(path: str) -> int:
    """Bytes that one request may bring at ``path``."""
    return UPLOAD_LIMIT if path.startswith(FILES) else VALUES_LIMIT


def describe_limit(path: str) -> str:
    """What is said to a request that brings more."""
    return TOO_LARGE.format(megabytes=find_limit(path) // 2**20)


def read_length(headers: Mapping[str, str]) -> int | None:
    """The length of a body as its request says it; None if it does not."""
    length = headers.get("content-length")
    if length is None:
        return None
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else 2**60
