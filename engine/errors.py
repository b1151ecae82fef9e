"""What can go wrong: each error carries one sentence for the user.

Every error that a user can cause or meet is an :class:`EaselError`. Its text is complete: what happened, in the user's words,
and what to do next. Code that catches one shows ``str(error)`` and nothing else.
"""

from __future__ import annotations

from typing import ClassVar

from engine.safe_text import make_encodable


class EaselError(Exception):
    """Base of all errors whose text is meant for the user."""

    kind: ClassVar[str] = "EaselError"
    """The name under which this error travels between processes and is stored in the journal: by default that of its class."""

    def __init_subclass__(cls) -> None:
        """Names a kind after its class, unless the class names it."""
        cls.kind = cls.__dict__.get("kind", cls.__name__)

    def __init__(self, message: str = "") -> None:
        # Paths are part of many sentences, and their names may be anything.
        super().__init__(make_encodable(message))


class RequestError(EaselError):
    """The request itself cannot be honoured: a value out of range, an unknown name."""


class DoesNotFit(RequestError):
    """The request would need more memory than there is; the text names a size that fits."""


class CheckpointError(EaselError):
    """A checkpoint is missing, damaged, unsafe or of an unknown kind."""


class OutputError(EaselError):
    """An image could not be written: folder read-only, disk full."""


class DiskFull(OutputError):
    """There is no room for the image. The queue pauses on it instead of failing job after job."""


class DownloadError(EaselError):
    """A download could not start or finish."""


class ImageError(EaselError):
    """An image from the user cannot be used: damaged, too large, or of an unknown format."""

    kind = "PictureError"  # journals hold this name


class ImageWithheld(EaselError):
    """The checkpoint's own safety checker, which the settings ask for, objects to an image. It is not kept."""

    kind = "PictureWithheld"  # journals hold this name


class WorkerLost(EaselError):
    """The worker process ended in the middle of a job: killed, out of memory, or crashed."""


class DeviceLost(EaselError):
    """The device stopped responding in the middle of a job. This process cannot use it any more; a new one may."""


class CancelledError(EaselError):
    """Raised inside the engine when the user pressed Stop. Not a failure; nothing half-made is kept."""

    kind = "Cancelled"

    def __init__(self, message: str = "Stopped.") -> None:
        super().__init__(message)


KINDS: dict[str, type[EaselError]] = {
    error.kind: error
    for error in (
        EaselError,
        RequestError,
        DoesNotFit,
        CheckpointError,
        OutputError,
        DiskFull,
        DownloadError,
        ImageError,
        ImageWithheld,
        WorkerLost,
        DeviceLost,
        CancelledError,
    )
}
"""Error classes by the name under which they travel; see :attr:`EaselError.kind`."""


def first_line(error: Exception) -> str:
    """What a library says first, or the kind of its error where it says nothing; at most 200 characters."""
    line = next(iter(str(error).strip().splitlines()), "")
    return " ".join(line.split())[:200] or type(error).__name__
