"""What every route works with: the queue, the user's files, and threads of the API's own."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
from pydantic import JsonValue

from api.reach import Reach
from engine.checkpoints.library.catalogue import Catalogue
from engine.jobs import Jobs
from engine.records.blobs import Blobs
from engine.settings import Settings
from engine.storage.atomic_files import PART, make_folder, translate_errors

THREADS = 16
"""Threads that the API may use at the same time. Those that Starlette shares among all routes stay free for the page."""

API_PAGE, COMPATIBLE_PAGE = "api", "api-compatible"
"""What the journal calls the page of jobs by Easel's own routes, and by those of other programs. The queue lets pages take
turns, so that no client starves a person."""

Json = dict[str, JsonValue]
"""A JSON object, as pydantic describes it."""

_HERE = Reach()

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True)
class ApiContext:
    """One for each server."""

    settings: Settings
    jobs: Jobs
    catalogue: Catalogue
    blobs: Blobs
    reach: Reach
    limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(THREADS))

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """``function(*arguments)`` on a thread of the API's."""
        return await anyio.to_thread.run_sync(functools.partial(function, *arguments), limiter=self.limiter)

    @contextmanager
    def keep_temporarily(self, content: bytes) -> Generator[Path]:
        """``content`` as a file, removed when the block ends. Raises OutputError."""
        folder = self.settings.data / "blobs" / "incoming"
        path = folder / f"{secrets.token_hex(16)}{PART}"
        with translate_errors(folder):
            make_folder(folder)
            try:
                path.write_bytes(content)
                yield path
            finally:
                path.unlink(missing_ok=True)


def create_context(settings: Settings, jobs: Jobs, reach: Reach = _HERE) -> ApiContext:
    """The context of one server."""
    return ApiContext(settings, jobs, Catalogue(settings), Blobs(settings.data / "blobs"), reach)
