"""The invisible watermark of the reference Stable Diffusion scripts: a short text in the chroma channel U.

A reimplementation of "dwtDct" of the package invisible-watermark (MIT), compatible in both directions: of the image's U
channel, take the low band of the Haar transform (half the sum of each 2 x 2 pixels); in each 4 x 4 block of it, the
largest coefficient but the first is moved to a quarter (for a 0) or three quarters (for a 1) of the way between two
multiples of 36. The text's bits repeat over the blocks row by row, and the decoder takes the majority.

It survives lossless formats, noise, 10% more brightness, JPEG without chroma subsampling (4:4:4) at quality 95, and
cropping at the bottom. It does not survive ordinary JPEG, lossy WebP, scaling, rotation, mirroring, or cropping at another
side; colours at the limits of the gamut hold it badly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from engine.errors import ImageError

TEXTS = ("StableDiffusionV1", "SDV2")
"""What the reference scripts of Stable Diffusion 1 and 2 write; :func:`decode` tries their lengths."""

_LEAST_PIXELS = 256 * 256
_SCALE = 36
_BLOCK = 4
_STRIP_PIXELS = 2**20
_ROUNDING = 4
"""How much the rounding to 8-bit colours can change a coefficient of the low band."""
_SURE = 0.85
"""The mean confidence of the blocks, 0..1, above which an unknown text is accepted."""

_LUMA = np.array([0.299, 0.587, 0.114])
_U_FROM_BLUE = 0.492
_GREEN_FROM_U, _BLUE_FROM_U = -0.395, 2.032


def encode(image: Image.Image, text: str = TEXTS[0]) -> Image.Image:
    """A copy of ``image`` in RGB with ``text`` embedded; an alpha channel and the ICC profile are kept.

    Raises ImageError for an image of fewer than 256 x 256 pixels, which does not repeat a text often enough, or an empty text.
    """
    bits = np.unpackbits(np.frombuffer(text.encode(), np.uint8))
    _check(image, bits.size)
    rgb = np.asarray(image.convert("RGB"), dtype=np.float64)
    blocks = _blocks(rgb)
    largest = np.abs(blocks[:, 1:]).argmax(axis=1) + 1
    change = np.zeros_like(blocks)
    change[np.arange(len(blocks)), largest] = _moves(blocks, np.resize(bits, len(blocks)))
    return _change(image, rgb, _plane(change, rgb.shape[:2]))


def decode(image: Image.Image, texts: tuple[str, ...] = TEXTS) -> str | None:
    """The text in ``image``: one of ``texts``, or another one of the same length that is read with confidence; else None.

    Also None for an image of fewer than 256 x 256 pixels.
    """
    if image.width * image.height < _LEAST_PIXELS or min(image.size) < 2 * _BLOCK:
        return None
    largest = np.concatenate([np.abs(_blocks(rgb)[:, 1:]).max(axis=1) for rgb in _strips(image)])
    ones = largest % _SCALE > _SCALE / 2
    found = [_majority(ones, 8 * length) for length in dict.fromkeys(len(text.encode()) for text in texts)]
    known = next((text for text in texts for read, _ in found if _same(read, text)), None)
    read, sure = max(found, key=lambda one: one[1])
    clear = sure > _SURE and all(32 <= byte < 127 for byte in read)
    return known or (read.decode("ascii") if clear else None)


def _strips(image: Image.Image) -> Iterator[np.ndarray]:
    """A few whole rows of blocks at a time: the whole image in 64 bits takes eight times the memory of its pixels."""
    rows = max(1, _STRIP_PIXELS // (2 * _BLOCK * image.width)) * 2 * _BLOCK
    for top in range(0, image.height - 2 * _BLOCK + 1, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        yield np.asarray(strip.convert("RGB"), dtype=np.float64)


def _check(image: Image.Image, bits: int) -> None:
    if image.width * image.height < _LEAST_PIXELS or min(image.size) < 2 * _BLOCK:
        raise ImageError(
            f"The picture is {image.width} x {image.height} pixels; an invisible watermark needs 256 x 256 or more. "
            "Make a larger picture or turn the watermark off in Settings."
        )
    if not bits:
        raise ImageError("The invisible watermark has no text. Type one in Settings or turn the watermark off.")


def _moves(blocks: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """What to add to each block's largest coefficient: the smallest change that writes the bit and leaves it the largest.

    The original package moves it down even if another coefficient then becomes the largest, which loses bits.
    """
    ordered = np.sort(np.abs(blocks[:, 1:]), axis=1)
    value, second = ordered[:, -1], ordered[:, -2]
    steps = value[:, None] // _SCALE + np.array([-1, 0, 1])
    targets = (steps + 0.25 + 0.5 * bits[:, None]) * _SCALE
    far = np.where(targets > second[:, None] + _ROUNDING, np.abs(targets - value[:, None]), np.inf)
    chosen = targets[np.arange(len(targets)), far.argmin(axis=1)]
    signs = np.where(blocks[np.arange(len(blocks)), np.abs(blocks[:, 1:]).argmax(axis=1) + 1] < 0, -1, 1)
    return (chosen - value) * signs


def _same(read: bytes, text: str) -> bool:
    """Whether ``read`` is ``text`` with at most one wrong bit in 24, which does not happen by chance."""
    known = text.encode()
    if len(read) != len(known):
        return False
    wrong = np.unpackbits(np.frombuffer(read, np.uint8) ^ np.frombuffer(known, np.uint8)).sum()
    return bool(wrong <= len(known) * 8 // 24)


def _majority(ones: np.ndarray, length: int) -> tuple[bytes, float]:
    """The text of ``length`` bits by the majority of the blocks, and the mean confidence, 0..1."""
    places = np.arange(ones.size) % length
    votes = np.bincount(places, ones, length) / np.maximum(np.bincount(places, minlength=length), 1)
    return np.packbits(votes > 127 / 255).tobytes(), float(np.abs(2 * votes - 1).mean())


def _blocks(rgb: np.ndarray) -> np.ndarray:
    """The 4 x 4 blocks of U's low Haar band, (blocks, 16), row by row. U is rounded as OpenCV rounds it."""
    luma = np.floor(rgb @ _LUMA + 0.5)
    u = np.floor(_U_FROM_BLUE * (rgb[..., 2] - luma) + 128.5).clip(0, 255)
    height, width = (side // 4 * 4 for side in u.shape)
    low = u[:height, :width].reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3)) / 2
    rows, columns = low.shape[0] // _BLOCK, low.shape[1] // _BLOCK
    cut = low[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    return cut.swapaxes(1, 2).reshape(-1, _BLOCK * _BLOCK)


def _plane(blocks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The change of each pixel's U for a change of the low band: the same for all four, and half as much."""
    rows, columns = (side // 4 * 4 // 2 // _BLOCK for side in shape)
    low = blocks.reshape(rows, columns, _BLOCK, _BLOCK).swapaxes(1, 2).reshape(rows * _BLOCK, columns * _BLOCK)
    plane = np.zeros(shape)
    plane[: 2 * low.shape[0], : 2 * low.shape[1]] = low.repeat(2, axis=0).repeat(2, axis=1) / 2
    return plane


def _change(image: Image.Image, rgb: np.ndarray, change: np.ndarray) -> Image.Image:
    rgb[..., 1] += _GREEN_FROM_U * change
    rgb[..., 2] += _BLUE_FROM_U * change
    marked = Image.fromarray(np.rint(rgb).clip(0, 255).astype(np.uint8), "RGB")
    if "A" in image.getbands():
        marked.putalpha(image.getchannel("A"))
    marked.info = dict(image.info)
    return marked
