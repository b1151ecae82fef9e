"""Marks are exchanged with the original package in both directions: its own code runs here.

The package's ``maxDct.py`` is loaded by itself, because its front door imports torch for a method that is not used here.
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from engine.errors import ImageError
from engine.records.images import watermark
from tests.engine.records.conftest import textured


@pytest.fixture(scope="module")
def original() -> ModuleType:
    package = importlib.util.find_spec("imwatermark")
    assert package is not None and package.submodule_search_locations
    path = Path(package.submodule_search_locations[0]) / "maxDct.py"
    spec = importlib.util.spec_from_file_location("imwatermark_max_dct", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _bgr(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


def _bits(text: str) -> list[int]:
    return list(np.unpackbits(np.frombuffer(text.encode(), np.uint8)))


def theirs_writes(original: ModuleType, image: Image.Image, text: str) -> Image.Image:
    embed = original.EmbedMaxDct(_bits(text), wmLen=8 * len(text))
    return Image.fromarray(np.ascontiguousarray(embed.encode(_bgr(image))[:, :, ::-1]))


def theirs_reads(original: ModuleType, image: Image.Image, length: int) -> bytes:
    bits = original.EmbedMaxDct([], wmLen=8 * length).decode(_bgr(image))
    return np.packbits(bits).tobytes()


@pytest.mark.parametrize("text", watermark.TEXTS)
@pytest.mark.parametrize("width, height", [(512, 512), (515, 641)])
def test_in_both_directions(original: ModuleType, width: int, height: int, text: str) -> None:
    image = textured(width, height)
    assert theirs_reads(original, watermark.encode(image, text), len(text)) == text.encode()
    assert watermark.decode(theirs_writes(original, image, text)) == text
    assert watermark.decode(watermark.encode(image, text)) == text


def test_it_cannot_be_seen(original: ModuleType) -> None:
    image = textured(512, 512)
    ours = np.asarray(watermark.encode(image), dtype=float) - np.asarray(image)
    theirs = np.asarray(theirs_writes(original, image, watermark.TEXTS[0]), dtype=float) - np.asarray(image)
    assert np.abs(ours).mean() < 1 and np.abs(ours).mean() < np.abs(theirs).mean()


@pytest.mark.parametrize("seed", range(10))
def test_an_unmarked_picture_has_none(seed: int) -> None:
    assert watermark.decode(textured(512, 512, seed)) is None


@pytest.mark.parametrize("colour", ["black", "white", "#808080", "#3060c0", "#ff0000", "#0000ff"])
def test_flat_pictures_have_none(colour: str) -> None:
    assert watermark.decode(Image.new("RGB", (512, 512), colour)) is None


@pytest.mark.parametrize("text", ["Easel pictures 01", "EASL"])
def test_an_unknown_text_of_a_known_length_is_read(text: str) -> None:
    assert watermark.decode(watermark.encode(textured(512, 512), text)) == text


def test_a_text_of_another_length_is_read_when_it_is_asked_for() -> None:
    marked = watermark.encode(textured(512, 512), "my own words")
    assert watermark.decode(marked, ("my own words",)) == "my own words"
    assert watermark.decode(marked) is None


def test_what_it_survives_and_what_it_does_not() -> None:
    marked = watermark.encode(textured(512, 512))
    noise = np.random.default_rng(1).normal(0, 2, (512, 512, 3))
    noisy = Image.fromarray((np.asarray(marked) + noise).clip(0, 255).astype(np.uint8))
    stream = io.BytesIO()
    marked.save(stream, "JPEG", quality=95, subsampling=0)
    assert watermark.decode(noisy) == watermark.decode(Image.open(stream)) == watermark.TEXTS[0]
    assert watermark.decode(marked.crop((0, 0, 512, 400))) == watermark.TEXTS[0]
    assert watermark.decode(marked.crop((0, 0, 400, 512))) is None
    assert watermark.decode(marked.resize((400, 400))) is None
    assert watermark.decode(marked.rotate(90)) is None
    assert watermark.decode(marked.crop((3, 3, 512, 512))) is None


def test_transparency_and_profile_stay() -> None:
    image = textured(300, 300).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((300, 300)))
    image.info["icc_profile"] = b"profile"
    marked = watermark.encode(image, "SDV2")
    assert marked.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert marked.info["icc_profile"] == b"profile" and watermark.decode(marked) == "SDV2"
    assert image.tobytes() != marked.tobytes()


@pytest.mark.parametrize("size", [(255, 256), (64, 64), (100_000, 1)])
def test_small_pictures_are_refused(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size)
    assert watermark.decode(image) is None
    with pytest.raises(ImageError, match="256 x 256"):
        watermark.encode(image)


def test_a_text_is_needed() -> None:
    with pytest.raises(ImageError, match="no text"):
        watermark.encode(textured(256, 256), "")
