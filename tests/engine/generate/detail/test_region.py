"""A repainted part of a photo: all the rest of the file stays as it was."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.errors import RequestError
from engine.events import Event, Finished
from engine.generate.detail.smooth_fill import continue_smoothly, fill_masked, match_colours
from engine.generate.tasks.input_image import InputImages, create_canvas, open_images
from engine.records import metadata
from engine.records.images.metadata_chunks import exif_with_comment, merge_exif
from engine.records.images.open_image import upright_exif
from engine.records.images.photo import open_photo
from engine.records.images.png_writer import PngWriter
from engine.requests import FILLS, ImageToImage, Request, from_json, to_json
from tests.engine.generate.conftest import Engine

SIDE = 32
MAKER, MODEL = 0x010F, 0x0110
_jobs = itertools.count()


def noise(size: tuple[int, int], planes: int, dtype: type[np.unsignedinteger[Any]]) -> np.ndarray:
    random = np.random.default_rng(7)
    return random.integers(0, np.iinfo(dtype).max + 1, (size[1], size[0], planes), dtype=dtype)


def dot(size: tuple[int, int], box: tuple[int, int, int, int], level: int = 255) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(level, box)
    return mask


def exif(orientation: int = 1) -> bytes:
    made = Image.Exif()
    made[MAKER], made[MODEL], made[0x0112] = "Easel", "A camera", orientation
    return made.tobytes()


def deep_png(pixels: np.ndarray, icc_profile: bytes = b"", exif: bytes = b"") -> bytes:
    stream = io.BytesIO()
    writer = PngWriter(stream, (pixels.shape[1], pixels.shape[0]), pixels.shape[2], bits=16, icc_profile=icc_profile, exif=exif)
    writer.write(pixels)
    writer.close()
    return stream.getvalue()


def repaint(engine: Engine, photo: bytes, mask: Image.Image, **changes: Any) -> tuple[Path, list[Event]]:
    request = ImageToImage(
        **{
            "prompt": "a cat", "checkpoint": "sd1", "width": SIDE, "height": SIDE, "steps": 2, "seed": 3, "scheduler": "DDIM",
            "strength": 1.0, "init_image": engine.blobs.put(photo), "mask_image": engine.blobs.put(mask), **changes,
        }
    )  # fmt: skip
    events = engine.run(request, f"region{next(_jobs)}")[1]
    assert isinstance(events[-1], Finished)
    return events[-1].results[0].path, events


def find_changed(before: np.ndarray, after: np.ndarray) -> tuple[int, int, int, int]:
    """The box around all pixels that differ."""
    rows, columns = np.nonzero((before != after).any(-1))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_part_of_a_photo_of_12_megapixels_is_repainted_and_the_rest_stays_to_the_bit(engine: Engine) -> None:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((4032, 3024)).convert("RGB").save(stream, "JPEG", exif=exif(orientation=1))
    path, _ = repaint(engine, stream.getvalue(), dot((4032, 3024), (2000, 1000, 2200, 1160)), feather=8)
    before, after = open_photo(engine.blobs.path(engine.blobs.put(stream.getvalue()))), open_photo(path)
    assert after.pixels.shape == (3024, 4032, 3)
    left, top, right, bottom = find_changed(before.pixels, after.pixels)
    assert 1992 <= left <= 2000 and 992 <= top <= 1000 and 2200 <= right <= 2208 and 1160 <= bottom <= 1168
    with Image.open(path) as saved:
        assert saved.getexif()[MODEL] == "A camera"
    record = metadata.read(path)
    assert record is not None and isinstance(record.resolved.request, ImageToImage)
    assert record.resolved.request.mask_area == "region"
    again = engine.run(record.resolved.request, f"region{next(_jobs)}")[1][-1]
    assert isinstance(again, Finished) and (open_photo(again.results[0].path).pixels == after.pixels).all()
    assert (again.results[0].width, again.results[0].height) == (4032, 3024)


@pytest.mark.parametrize("planes", [3, 4])
def test_16_bits_profile_transparency_and_exif_stay(planes: int, engine: Engine) -> None:
    pixels = noise((200, 160), planes, np.uint16)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"s\0R\0G\0B", b"m\0i\0n\0e")
    path, _ = repaint(engine, deep_png(pixels, srgb, exif().removeprefix(b"Exif\0\0")), dot((200, 160), (50, 60, 90, 100)))
    saved = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert saved is not None and saved.dtype == np.uint16
    after = open_photo(path)
    assert (saved[..., [2, 1, 0, 3][:planes]] == after.pixels).all(), "other programs read the same"
    left, top, right, bottom = find_changed(pixels, after.pixels)
    assert 42 <= left <= 50 and 52 <= top <= 60 and 90 <= right <= 98 and 100 <= bottom <= 108
    assert planes == 3 or (after.pixels[..., 3] == pixels[..., 3]).all()
    assert after.icc_profile == srgb and b"A camera" in upright_exif(path)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 40)])
def test_the_smallest_mask_is_repainted_whole(size: tuple[int, int], engine: Engine) -> None:
    photo = Image.new("RGB", (900, 700), "#336699")
    stream = io.BytesIO()
    photo.save(stream, "PNG")
    box = (400, 300, 400 + size[0], 300 + size[1])
    for area in ("region", "picture"):
        path, _ = repaint(engine, stream.getvalue(), dot(photo.size, box), mask_area=area, feather=0)
        with Image.open(path) as saved:
            changed = (np.asarray(saved) != np.asarray(photo.getpixel((0, 0)))).any(-1)
        if area == "region":
            assert changed[box[1] : box[3], box[0] : box[2]].all() and changed.sum() == size[0] * size[1]
        else:
            assert changed.any()


def test_every_latent_that_a_mask_touches_is_covered() -> None:
    photo = Image.new("RGB", (640, 480))
    mask = Image.new("L", photo.size)
    for x in range(5, 640, 53):
        mask.putpixel((x, x % 480), 255)
    asked = ImageToImage(init_image="", mask_image="a mask")
    given = InputImages(image=photo, mask=mask)
    covered = np.asarray(create_canvas(asked, given, 64, 48).mask) > 0
    points = np.argwhere(np.asarray(mask))
    assert all(covered[min(47, y // 10), min(63, x // 10)] for y, x in points)


@pytest.mark.parametrize("fill", [fill for fill in FILLS if fill != "lama"])
@pytest.mark.parametrize("soft", [False, True])
def test_every_filling_is_recorded_and_made_again(fill: str, soft: bool, engine: Engine) -> None:
    photo = deep_png(noise((120, 90), 3, np.uint16))
    mask = dot((120, 90), (40, 30, 80, 60), 160 if soft else 255)
    path, _ = repaint(engine, photo, mask, fill=fill, soft_mask=soft, strength=0.6, steps=4)
    record = metadata.read(path)
    assert record is not None and isinstance(record.resolved.request, ImageToImage)
    assert (record.resolved.request.fill, record.resolved.request.soft_mask) == (fill, soft)
    again = engine.run(record.resolved.request, f"region{next(_jobs)}")[1][-1]
    assert isinstance(again, Finished) and (open_photo(again.results[0].path).pixels == open_photo(path).pixels).all()


def test_lama_that_is_not_there_is_one_sentence(engine: Engine) -> None:
    with pytest.raises(RequestError, match="LaMa needs its file"):
        repaint(engine, deep_png(noise((40, 40), 3, np.uint16)), dot((40, 40), (10, 10, 20, 20)), fill="lama")


def test_grey_says_how_much_may_change(engine: Engine) -> None:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGB").save(stream, "PNG")
    unchanged, little, much = (
        open_photo(repaint(engine, stream.getvalue(), dot((SIDE, SIDE), (0, 0, SIDE, SIDE), level), soft_mask=True, steps=8)[0])
        for level in (1, 40, 255)
    )
    distances = [np.abs(each.pixels.astype(int) - unchanged.pixels.astype(int)).mean() for each in (little, much)]
    assert 0 < distances[0] < distances[1]


def test_requests_of_earlier_versions_work_as_they_did() -> None:
    old = to_json(ImageToImage(init_image="a", mask_image="b", only_masked=True))
    for name in ("mask_area", "fill", "soft_mask"):
        del old[name]
    assert _area(from_json(old)) == ""
    assert _area(from_json({"kind": "image_to_image", "init_image": "a", "mask_image": "b"})) == "region", "asked anew"
    assert _area(from_json(to_json(ImageToImage(init_image="a", mask_area="picture")))) == "picture"


def _area(request: Request) -> str:
    assert isinstance(request, ImageToImage)
    return request.mask_area


def test_the_exif_of_a_photo_takes_the_comment_and_stays() -> None:
    photo = exif().removeprefix(b"Exif\0\0")
    merged = Image.Exif()
    merged.load(merge_exif(photo, exif_with_comment("a cat")))
    assert merged[MODEL] == "A camera" and b"a cat" in merged.get_ifd(0x8769)[0x9286]


def test_colours_are_continued_smoothly_and_known_ones_stay() -> None:
    ramp = np.linspace(0, 255, 64, dtype=np.float32)[None, :, None].repeat(48, 0).repeat(3, 2)
    known = np.ones((48, 64), np.float32)
    known[10:30, 20:44] = 0
    filled = continue_smoothly(ramp, known)
    assert (filled[known > 0] == ramp[known > 0]).all()
    assert np.abs(filled - ramp).max() < 64 and filled.min() >= 0 and filled.max() <= 255


def test_a_drift_of_colours_is_taken_back_inside_and_outside_the_mask() -> None:
    original = Image.linear_gradient("L").resize((128, 128)).convert("RGB")
    drifted = Image.fromarray((np.asarray(original, int) + np.array([12, -9, 5])).clip(0, 255).astype(np.uint8))
    mask = dot((128, 128), (48, 48, 80, 80))
    matched = np.asarray(match_colours(drifted, original, mask), int)
    inside = np.abs(matched - np.asarray(original, int))[48:80, 48:80]
    assert inside.max() <= 3
    assert match_colours(drifted, original, dot((128, 128), (0, 0, 128, 128))) is drifted, "nothing is known"
    assert fill_masked(original, dot((128, 128), (0, 0, 128, 128))).getpixel((5, 5)) == (128, 128, 128)


def test_a_photo_of_one_column_and_a_request_of_16_bits_without_mask(engine: Engine) -> None:
    path, _ = repaint(engine, deep_png(noise((1, 400), 3, np.uint16)), dot((1, 400), (0, 100, 1, 200)))
    assert open_photo(path).pixels.shape == (400, 1, 3)


def test_a_canvas_of_a_soft_mask_keeps_its_amounts(engine: Engine) -> None:
    photo = engine.blobs.put(Image.new("RGB", (64, 64), "white"))
    mask = engine.blobs.put(dot((64, 64), (20, 20, 40, 40), 90))
    asked = ImageToImage(init_image=photo, mask_image=mask, soft_mask=True, feather=8)
    canvas = create_canvas(asked, open_images(asked, engine.blobs), 64, 64)
    assert canvas.amounts is not None and canvas.amounts.getpixel((30, 30)) == 90
    assert canvas.mask is not None and canvas.mask.getpixel((30, 30)) == 255


def test_what_was_invisible_shows_where_it_is_painted_over(engine: Engine) -> None:
    pixels = noise((60, 50), 4, np.uint16)
    pixels[:, :, 3] = 65535
    pixels[10:30, 10:40, 3] = 0
    path, _ = repaint(engine, deep_png(pixels), dot((60, 50), (10, 10, 25, 30)), feather=0)
    alpha = open_photo(path).pixels[..., 3]
    assert (alpha[10:30, 10:25] == 65535).all() and (alpha[10:30, 25:40] == 0).all()
