from __future__ import annotations

import dataclasses
import io
import re
import struct
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.errors import RequestError
from engine.records import metadata
from engine.records.images import metadata_chunks
from engine.records.record import (
    COMPOSITE,
    ENHANCED,
    SOURCE_TYPES,
    TRAINED,
    Record,
    from_text,
    parameters,
    source_type,
    to_text,
)
from engine.requests import KINDS, MAX_SEED, RESOLVED_KINDS, Axis, Control, Request, Resolved
from engine.requests.cells import AXES
from tests.engine.records.conftest import resolved_with

FORMATS = ("png", "jpeg", "webp")
PLAIN = Image.new("RGB", (8, 8), (10, 200, 30))


def _values(annotation: str) -> st.SearchStrategy:
    """Values for a field of a request by how it is annotated: a new kind of request is covered without a word here."""
    kinds: dict[str, st.SearchStrategy] = {
        "str": st.text(max_size=60),
        "int": st.integers(0, MAX_SEED),
        "bool": st.booleans(),
        "float": st.floats(0, 100),
        "None": st.none(),
        "tuple[str, ...]": st.lists(st.text(max_size=20), max_size=3).map(tuple),
        "tuple[float, ...]": st.lists(st.floats(0, 1), max_size=3).map(tuple),
        "tuple[Control, ...]": st.lists(st.builds(Control, weight=st.floats(0, 2), model=st.text(max_size=20)), max_size=2).map(
            tuple
        ),
        "tuple[Axis, ...]": st.lists(
            st.builds(Axis, field=st.sampled_from(sorted(AXES)), values=st.lists(st.text(max_size=20), max_size=3).map(tuple)),
            max_size=3,
        ).map(tuple),
        "tuple[tuple[int, int], ...]": st.lists(st.tuples(st.integers(0), st.integers(0)), max_size=3).map(tuple),
    }
    return st.one_of([kinds[part.strip()] for part in annotation.split("|")])


def _requests() -> st.SearchStrategy[Request]:
    return st.one_of([_requests_of(kind) for kind in RESOLVED_KINDS.values()])


def _requests_of(kind: type[Request]) -> st.SearchStrategy[Request]:
    values = {field.name: _values(str(field.type)) for field in fields(kind)}
    return st.builds(kind, **{**values, "steps": st.integers(1, 1000)})


@pytest.mark.parametrize("format", FORMATS)
@given(request=_requests())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_every_kind_of_request_reads_back_equal_through_real_bytes(format: str, request: Request) -> None:
    record = Record(resolved=resolved_with(request), job="a", index=4, companions={"without it": 5})
    encoded = metadata.encode(PLAIN, record, format)
    assert metadata.read(encoded) == record
    with Image.open(io.BytesIO(encoded)) as image:
        image.load()
        assert image.size == PLAIN.size


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "line one\nline two\r\n\ttab",
        'quotes " and \\ and, commas: colons',
        "zwölf Boxkämpfer 猫 🐈‍⬛",
        "half \ud83d a pair",
        "zero \0 inside",
        "</easel:record> & <x>",
        "Negative prompt: no\nSteps: 3, Sampler: me",
        "\u2028\ufeff\uffff",
    ],
)
def test_hard_prompts(format: str, prompt: str, resolved: Resolved) -> None:
    record = Record(resolved=replace(resolved, request=replace(resolved.request, prompt=prompt)), job="a")
    assert metadata.read(metadata.encode(PLAIN, record, format)) == record


@pytest.mark.parametrize("format", FORMATS)
def test_prompts_as_long_as_they_may_be(format: str, resolved: Resolved, tmp_path: Path) -> None:
    request = replace(resolved.request, prompt="猫 " * 25_000, negative_prompt="🐈" * 50_000)
    record = Record(resolved=replace(resolved, request=request), job="a")
    path = tmp_path / "picture"
    path.write_bytes(metadata.encode(PLAIN, record, format))
    assert metadata.read(path) == record
    with Image.open(path) as image:
        image.load()


def test_a_long_jpeg_keeps_within_segments_and_keeps_the_settings_line(resolved: Resolved) -> None:
    record = Record(resolved=replace(resolved, request=replace(resolved.request, prompt="猫" * 50_000)), job="a")
    encoded = metadata.encode(PLAIN, record, "jpeg")
    texts = metadata_chunks.read_texts(encoded)
    assert texts is not None
    assert texts.user_comment.startswith("猫猫") and "\nSteps: 20, Sampler: Euler a" in texts.user_comment
    segments = [s for s in _app1(encoded) if s.startswith(b"http://ns.adobe.com/xmp/extension/\0")]
    assert len(segments) > 1 and all(len(s) <= 65_533 for s in segments)


def _app1(jpeg: bytes) -> list[bytes]:
    """The APP1 segments of a JPEG, walked by the book (ITU T.81, B.1)."""
    found, at = [], 2
    while jpeg[at : at + 2] != b"\xff\xda":
        length = struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        if jpeg[at + 1] == 0xE1:
            found.append(jpeg[at + 4 : at + 2 + length])
        at += 2 + length
    return found


def test_the_text_that_other_programs_read(resolved: Resolved) -> None:
    assert parameters(Record(resolved=resolved, job="a", easel="1.2.3")) == (
        "a cat on the beach\nNegative prompt: blurry\n"
        'Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48, Model: "star,ter", Clip skip: 2, '
        "Easel hash: ababababab, Version: Easel 1.2.3"
    )
    hashed = dataclasses.replace(resolved, checkpoint_sha256="6ce0161689" + "0" * 54)
    assert 'Size: 64x48, Model hash: 6ce0161689, Model: "star,ter"' in parameters(Record(resolved=hashed, job="a"))


def read_text(encoded: bytes) -> str:
    """AUTOMATIC1111's text, as Pillow finds it."""
    with Image.open(io.BytesIO(encoded)) as image:
        if image.format == "PNG":
            return image.info["parameters"]
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    return comment[8:].decode("ascii" if comment.startswith(b"ASCII") else "utf-16-be")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("half", ["\ud83d", "\udc00", "\udc00\ud83d", "a\udcffb"])
def test_half_an_emoji_is_a_replacement_character_for_other_programs(format: str, half: str, resolved: Resolved) -> None:
    asked = replace(resolved.request, prompt=f"<{half}>", negative_prompt=half)
    record = Record(resolved=replace(resolved, request=asked), job="a")
    text = read_text(metadata.encode(PLAIN, record, format))
    lost = re.sub("[\ud800-\udfff]", "\ufffd", half)
    assert text.startswith(f"<{lost}>\nNegative prompt: {lost}\n") and "?" not in text
    assert metadata.read(metadata.encode(PLAIN, record, format)) == record


@pytest.mark.parametrize("format", FORMATS)
def test_pillow_finds_the_texts_where_the_standards_put_them(format: str, resolved: Resolved) -> None:
    record = Record(resolved=resolved, job="a")
    with Image.open(io.BytesIO(metadata.encode(PLAIN, record, format))) as image:
        comment = image.getexif().get_ifd(0x8769).get(0x9286, b"")
        text = image.info["parameters"] if format == "png" else comment.removeprefix(b"ASCII\0\0\0").decode()
        packet = ElementTree.fromstring(image.info["xmp"])[0][0]
    assert text == parameters(record)
    source = packet.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert source == f"http://cv.iptc.org/newscodes/digitalsourcetype/{TRAINED}"
    assert str(packet.get("{http://ns.adobe.com/xap/1.0/}CreatorTool")).startswith("Easel ")


def test_the_source_type_is_true_for_each_kind(resolved: Resolved) -> None:
    assert source_type(resolved.request) == TRAINED
    sketch = KINDS["image_to_image"](init_image="0" * 64, prompt="a")
    assert source_type(sketch) == TRAINED
    assert source_type(replace(sketch, mask_image="1" * 64)) == COMPOSITE
    assert SOURCE_TYPES["upscale"] == ENHANCED


@pytest.mark.parametrize("format", FORMATS)
def test_a_profile_stays_and_pictures_without_a_record_have_none(format: str, resolved: Resolved) -> None:
    image = PLAIN.copy()
    image.info["icc_profile"] = _srgb()
    for record in (None, Record(resolved=resolved, job="a")):
        encoded = metadata.encode(image, record, format)
        assert metadata.read(encoded) == record
        with Image.open(io.BytesIO(encoded)) as read:
            assert read.info["icc_profile"] == _srgb()


@cache
def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_transparency_becomes_white_in_a_jpeg() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    with Image.open(io.BytesIO(metadata.encode(clear, None, "jpeg"))) as image:
        assert image.getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"resolved": 1}', "[" * 100_000, '{"easel": "1", "job": "a"}'])
def test_a_damaged_record_is_said(text: str) -> None:
    with pytest.raises(RequestError, match="damaged"):
        from_text(text)


def test_a_record_of_a_newer_easel(resolved: Resolved) -> None:
    written = to_text(Record(resolved=resolved, job="a"))
    with pytest.raises(RequestError, match="Update Easel"):
        from_text(written.replace("text_to_image", "text_to_hologram"))
    assert from_text(written.replace('"prompt":', '"brand_new": 1, "prompt":')).resolved == resolved


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe1",
        b"RIFF\0\0\0\0WEBP",
        b"just text",
        b"\0" * 99,
    ],
)
def test_what_has_no_record_gives_none(source: bytes) -> None:
    assert metadata.read(source) is None


@given(cut=st.integers(0, 3000), format=st.sampled_from(FORMATS))
@settings(max_examples=60)
def test_files_that_are_cut_off_give_the_record_or_nothing(cut: int, format: str) -> None:
    from engine.requests import TextToImage

    record = Record(resolved=resolved_with(TextToImage(prompt="a", prompt_template="", negative_template="")), job="a")
    assert metadata.read(metadata.encode(PLAIN, record, format)[:cut]) in (None, record)


def test_texts_behind_the_picture_and_packed_texts_are_found(resolved: Resolved) -> None:
    import zlib

    record = Record(resolved=resolved, job="a")
    bare = metadata.encode(PLAIN, None, "png")
    packed = b"easel\0\1\0\0\0" + zlib.compress(to_text(record).encode())
    chunk = struct.pack(">I", len(packed)) + b"iTXt" + packed + struct.pack(">I", zlib.crc32(b"iTXt" + packed))
    end = bare.index(b"IEND") - 4
    assert metadata.read(bare[:end] + chunk + bare[end:]) == record


def test_a_text_that_unpacks_to_gigabytes_is_cut_off() -> None:
    import zlib

    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(b"\0" * 2**20) for _ in range(40)) + packer.flush()
    chunk = b"bomb\0\0" + bomb
    bare = metadata.encode(PLAIN, None, "png")
    end = bare.index(b"IEND") - 4
    texts = metadata_chunks.read_texts(bare[:end] + struct.pack(">I", len(chunk)) + b"zTXt" + chunk + b"0000" + bare[end:])
    assert texts is not None and len(texts.keyed["bomb"]) <= metadata_chunks.LARGEST
