"""The events that a job yields while it runs.

Order: ``Queued, Started, (Loading | Notice | Guided | Step | ImageSaved | Described)*``, then exactly one of ``Finished,
Cancelled, Failed``.
Events are plain picklable values: they cross a process boundary and are fanned out to every page that listens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.requests import Resolved, ResolvedDescribeImage


@dataclass(frozen=True, kw_only=True)
class Event:
    """``job`` is the id that :meth:`engine.jobs.Jobs.submit` gave."""

    job: str


@dataclass(frozen=True, kw_only=True)
class Queued(Event):
    """The job is in the journal. ``ahead`` jobs run before it."""

    ahead: int = 0


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """A worker took the job. ``attempt`` is 1 for the first time."""

    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Loading(Event):
    """A checkpoint is being loaded (or evicted: ``text`` says which). ``share`` is 0..1, or None when unknown."""

    checkpoint: str
    text: str
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """Something the user should know about this job: a size that was rounded, a precision that was raised."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Guided(Event):
    """A depth map guides the images of this job. ``depth`` is its hash in :mod:`engine.records.blobs`, white is near."""

    depth: str


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """Step ``step`` of ``steps`` of image ``index`` (0-based) of ``count`` is done.

    ``unit`` is what is counted: "step" or "tile". ``preview`` is a small JPEG of the image so far, or None.
    ``seconds_left`` is an estimate for the whole job.
    """

    index: int
    count: int
    step: int
    steps: int
    seconds_left: float | None = None
    preview: bytes | None = None
    unit: str = "step"


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished image on disk. ``seconds`` is the time from the start of the image to the written file."""

    path: Path
    seed: int
    width: int
    height: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ImageSaved(Event):
    """Image ``index`` (0-based) is on disk: written, synced and renamed."""

    index: int
    result: Result


@dataclass(frozen=True, kw_only=True)
class Described(Event):
    """The image of a :class:`~engine.requests.DescribeImage` in words for a prompt, "" if there was nothing to say; ``resolved``
    says how they came about. The words are in the journal before this event is seen."""

    words: str
    resolved: Resolved[ResolvedDescribeImage]


@dataclass(frozen=True, kw_only=True)
class Finished(Event):
    """All images are on disk."""

    results: tuple[Result, ...]


@dataclass(frozen=True, kw_only=True)
class Cancelled(Event):
    """Stop was pressed. ``results`` are the images finished before it."""

    results: tuple[Result, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """``kind`` is the error's name (see :data:`engine.errors.KINDS`), ``message`` the sentence for the user."""

    kind: str
    message: str
    results: tuple[Result, ...] = ()


Last = Finished | Cancelled | Failed
"""The events that end a job."""
