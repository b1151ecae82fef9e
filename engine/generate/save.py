"""A finished picture becomes a file, with what the person at the machine wants in every one; and is told of."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

import engine.preferences as preferences
from engine.errors import PictureError
from engine.events import Event, Notice, PictureSaved, Result
from engine.generate.context import Session
from engine.records import outputs
from engine.records.images import watermark
from engine.requests import Resolved


def written(
    session: Session, index: int, resolved: Resolved, image: Image.Image, companions: Mapping[str, int] | None, began: float
) -> tuple[Event, ...]:
    """What is to be said of a picture that is on disk now."""
    path, said = save(session, index, resolved, image, companions)
    notices = (Notice(job=session.job, text=sentence) for sentence in said)
    return *notices, kept(session, index, resolved, path, time.monotonic() - began)


def save(
    session: Session, index: int, resolved: Resolved, image: Image.Image, companions: Mapping[str, int] | None = None
) -> tuple[Path, tuple[str, ...]]:
    """Picture ``index`` on disk with what the person at the machine wants in every picture, and what is to be said about it."""
    chosen = preferences.read(session.state.settings.data)
    sha256 = session.state.hashes.known(session.entry.path, session.entry.stamp)
    named = dataclasses.replace(resolved, checkpoint_sha256=sha256)
    marked, said = _marked(image, chosen.watermark) if chosen.watermark else (image, ())
    path = outputs.save(
        marked, named, outputs=session.folder, job=session.job, index=index, companions=companions,
        write_metadata=not chosen.leave_metadata_out,
    )  # fmt: skip
    return path, said


def _marked(image: Image.Image, text: str) -> tuple[Image.Image, tuple[str, ...]]:
    """``image`` with the invisible watermark, or as it is with a sentence that says why not."""
    try:
        return watermark.encode(image, text), ()
    except PictureError as error:
        return image, (f"This picture is saved without the invisible watermark. {error}",)


def kept(session: Session, index: int, resolved: Resolved, path: Path, seconds: float = 0.0) -> PictureSaved:
    """For a picture that is on disk already; ``seconds`` is what it took just now."""
    return PictureSaved(job=session.job, picture=index, result=_result(path, resolved, seconds))


def _result(path: Path, resolved: Resolved, seconds: float) -> Result:
    with Image.open(path) as saved:
        width, height = saved.size
    return Result(path=path, seed=resolved.request.seed, width=width, height=height, seconds=seconds)
