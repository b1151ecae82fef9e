"""What the engine will see of a drawing, as HTML: fitted, cropped to the mask where asked, at the size of the run."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from engine.errors import EaselError
from engine.generate.tasks.input_image import canvas_for, given_for, matching_size
from engine.records.blobs import Blobs
from engine.requests import ImageToImage
from ui import messages
from ui.common import result_view
from ui.common.checkpoint_options import Checkpoint

_LONGEST = 512


def show(asked: ImageToImage, checkpoint: Checkpoint, blobs: Path) -> str:
    """The picture, what is masked in it tinted, and its size; or the sentence that says why there is none."""
    try:
        given = given_for(asked, Blobs(blobs))
        width, height = matching_size(given.shape(asked), checkpoint.native_size, checkpoint.size_multiple)
        canvas = canvas_for(asked, given, asked.width or width, asked.height or height)
    except EaselError as error:
        return result_view.says(str(error), "trouble")
    picture = canvas.picture
    if canvas.mask is not None:
        tint = Image.blend(picture, Image.new("RGB", picture.size, "#e11d48"), 0.5)
        picture = Image.composite(tint, picture, canvas.mask)
    said = "".join(result_view.says(sentence) for sentence in given.notices)
    size = f"{canvas.picture.width} × {canvas.picture.height}"
    shown = f'<img src="{_address(picture)}" alt="{messages.SEEN}">'
    return f'<figure class="guide">{shown}<figcaption>{size}</figcaption></figure>{said}'


def _address(picture: Image.Image) -> str:
    picture = picture.copy()
    picture.thumbnail((_LONGEST, _LONGEST))
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
