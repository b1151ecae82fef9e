"""The maps that control networks read: made of pictures, fitted to the image, shown before they are used. Free of torch."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import EaselError, ImageError
from engine.generate.control.preprocessors import PREPROCESSORS, choose_purpose
from engine.records.blobs import Blobs
from engine.records.images.decoder import decode
from engine.records.images.open_image import fit, flatten, open_image
from engine.requests import Control

Place = Callable[[Image.Image], Image.Image]
"""Fits a picture to the size of the image, and cuts out the part that a request works on."""

_NO_LINES = "No line is drawn for control {number}, so it was not run: the picture is as without it."

_SAME_ASPECT = 0.02
"""Share by which two aspect ratios may differ and still count as one."""


@dataclass(frozen=True, kw_only=True)
class ControlMap:
    """The map of control ``number``: RGB, or RGBA where transparent parts are to be filled. ``notices`` say how it was made."""

    number: int
    image: Image.Image
    notices: tuple[str, ...] = ()

    def lacks_lines(self, control: Control) -> bool:
        """Whether the lines of a drawing were asked for, and none are drawn."""
        return control.preprocessor == "lines" and self.image.convert("L").getextrema() == (0, 0)

    def read_values(self, *, fills: bool) -> np.ndarray:
        """Height x width x 3 in float32, 0 to 1; -1 in transparent parts if the network ``fills`` them."""
        values = np.asarray(self.image.convert("RGB"), dtype=np.float32) / 255
        if fills and self.image.mode == "RGBA":
            values[np.asarray(self.image.getchannel("A")) < 128] = -1
        return values


def create_map(
    number: int, control: Control, network: CheckpointEntry, source: Image.Image | None, blobs: Blobs, place: Place
) -> ControlMap:
    """The map of a control. ``source`` is the input image of the request, fitted to the image, for a control without a picture of
    its own.

    Raises ImageError, one sentence, for a picture that is missing or cannot be used.
    """
    notices: tuple[str, ...] = ()
    if control.image:
        image, notices = _open(number, control, blobs, place)
    elif source is None:
        raise ImageError(f"Control {number} has no picture. Choose one for it, or take the control out.")
    else:
        image = source
    made = ControlMap(number=number, image=preprocess(image, control, choose_purpose(control, network.path)))
    if made.lacks_lines(control):
        return dataclasses.replace(made, notices=(*notices, _NO_LINES.format(number=number)))
    return dataclasses.replace(made, notices=(*notices, *_describe_oddities(number, made.image)))


def preview_map(control: Control, network: CheckpointEntry, blobs: Blobs, width: int, height: int) -> bytes:
    """The map that an image of ``width`` x ``height`` pixels would be guided by, as PNG, for a process whose memory no image may
    take. Raises ImageError."""
    return decode([blobs.path(control.image)], _preview_map, control, network, blobs, (width, height))


def _preview_map(control: Control, network: CheckpointEntry, blobs: Blobs, size: tuple[int, int]) -> bytes:
    found = create_map(1, control, network, None, blobs, place_by_fit(*size))
    return _write_png(found.image)


def _write_png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def map_file(path: Path, preprocessor: str, resolution: int) -> bytes:
    """What ``preprocessor`` makes of an image file, as PNG whose shorter side has ``resolution`` pixels, for a process whose
    memory no image may take. Raises ImageError."""
    return decode([path], _map_file, path, preprocessor, resolution)


def _map_file(path: Path, preprocessor: str, resolution: int) -> bytes:
    image = open_image(path, paper="").with_alpha
    scale = resolution / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(size, Image.Resampling.LANCZOS) if size != image.size else image
    return _write_png(preprocess(resized, Control(model="", preprocessor=preprocessor), ""))


def preprocess(image: Image.Image, control: Control, purpose: str) -> Image.Image:
    """The map of ``image``, of its size, made at the control's resolution for a network with ``purpose``."""
    row = PREPROCESSORS[control.preprocessor]
    image = flatten(image, row.paper) if row.paper else image
    shorter = min(image.size)
    if not control.resolution or control.resolution == shorter:
        return row.make(image, purpose)
    scale = control.resolution / shorter
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return row.make(image.resize(size, Image.Resampling.LANCZOS), purpose).resize(image.size, Image.Resampling.BICUBIC)


def _open(number: int, control: Control, blobs: Blobs, place: Place) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture of a control in the size of the image, and sentences on how it was read."""
    try:
        opened = open_image(blobs.path(control.image), paper="")
    except EaselError as error:
        raise ImageError(f"Control {number}: {error}") from error
    whole = opened.with_alpha
    placed = place(whole)
    one, two = whole.width / whole.height, placed.width / placed.height
    notices = [f"Control {number}: {text}" for text in opened.notices]
    if abs(one / two - 1) > _SAME_ASPECT:
        notices.append(
            f"The picture of control {number} has {whole.width} × {whole.height} pixels and another shape than the result with "
            f"{placed.width} × {placed.height}, so it was fitted: what does not fit in is cut off."
        )
    return placed, tuple(notices)


def _describe_oddities(number: int, image: Image.Image) -> tuple[str, ...]:
    """A sentence on a map that says nothing."""
    if all(low == high for low, high in (band.getextrema() for band in image.convert("RGB").split())):
        return (f"The map of control {number} has one colour all over, so it says nothing. Draw something, or choose another.",)
    return ()


def place_by_fit(width: int, height: int) -> Place:
    """Crops a picture to ``width`` x ``height`` pixels."""
    return lambda image: fit(image, width, height)
