"""Large images are decoded in a process of their own, and whatever happens there is a sentence here."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import ImageError
from engine.records.images import decoder, previews
from engine.records.images.thumbnails import Thumbnails
from engine.records.inspect_file import inspect_image, inspect_image_file
from engine.records.summary import summarise
from tests.engine.records.images import bombs

GROWTH = 64 * 2**20
"""Bytes that this process may grow by at most while it deals with a bomb: less than any of them takes when it is opened here."""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.png"
    path.write_bytes(bombs.png(4096, 2, 8))
    return path


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[decoder.DecoderProcess]:
    """A process of the test's own."""
    own = decoder.DecoderProcess()
    monkeypatch.setattr(decoder, "_apart", own)
    yield own
    if own._process is not None:
        own._end(own._process)


def watch_peak() -> int:
    """The memory of this process in bytes, whose largest value is noted anew from here on."""
    Path("/proc/self/clear_refs").write_text("5")
    return read_memory("VmRSS")


def read_memory(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_small_images_are_decoded_here(tmp_path: Path) -> None:
    for format in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        Image.new("RGB", (1024, 1024)).save(tmp_path / "small", format)
        assert decoder.decode([tmp_path / "small"], os.getpid) == os.getpid()
    assert decoder.decode([], os.getpid) == os.getpid()


def test_what_is_no_image_is_left_to_the_one_who_opens_it(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ImageError, match="not a picture"):
        previews.describe_file(tmp_path / "text.png")
    with pytest.raises(OSError):
        Thumbnails(tmp_path / "small").of(tmp_path / "gone.png")


@pytest.mark.parametrize("format", ["TIFF", "ICO", "JPEG2000"])
def test_formats_whose_head_may_lie_are_decoded_apart(format: str, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "odd", format)
    assert not decoder.is_small(tmp_path / "odd")
    assert previews.describe_file(tmp_path / "odd").width == 64


def test_one_process_serves_all_large_images(large: Path, fresh: decoder.DecoderProcess) -> None:
    apart = {decoder.decode([large], os.getpid) for _ in range(3)}
    assert len(apart) == 1 and os.getpid() not in apart


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_too_much_memory_is_a_sentence_and_the_next_image_is_decoded(large: Path, fresh: decoder.DecoderProcess) -> None:
    first = decoder.decode([large], os.getpid)
    with pytest.raises(ImageError, match="not enough memory"):
        decoder.decode([large], bytearray, 2**34)
    assert decoder.decode([large], os.getpid) == first


def test_a_process_that_ends_is_a_sentence_and_the_next_image_gets_another(large: Path, fresh: decoder.DecoderProcess) -> None:
    first = decoder.decode([large], os.getpid)
    with pytest.raises(ImageError, match="not enough memory or time"):
        decoder.decode([large], os._exit, 9)
    assert decoder.decode([large], os.getpid) not in (first, os.getpid())


def test_an_image_that_takes_for_ever_is_a_sentence(
    large: Path, fresh: decoder.DecoderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "SECONDS", 0.1)
    with pytest.raises(ImageError, match="not enough memory or time"):
        decoder.decode([large], time.sleep, 600)


def test_errors_are_the_same_as_here(large: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decoder.decode([large], os.stat, "/gone")
    large.write_bytes(large.read_bytes()[:-5000])
    with pytest.raises(ImageError, match="damaged"):
        previews.describe_file(large)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
@pytest.mark.parametrize(
    "what", [what if what in bombs.QUICK else pytest.param(what, marks=pytest.mark.long) for what in bombs.FILES]
)
def test_no_file_takes_the_memory_of_this_process(what: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    content = bombs.FILES[what]()
    path.write_bytes(content)
    del content
    thumbnails = Thumbnails(tmp_path / "small")
    before = watch_peak()
    for work in (previews.describe_file, inspect_image_file, thumbnails.of, decoder.read_size):
        try:
            work(path)
        except ImageError as error:
            assert str(error).endswith(".")
    summarise(path, 0.0)
    assert read_memory("VmHWM") - before < GROWTH


def test_an_inspection_is_the_same_in_both_processes(tmp_path: Path, fresh: decoder.DecoderProcess) -> None:
    path = tmp_path / "image.png"
    Image.linear_gradient("L").resize((512, 512)).save(path)
    here = inspect_image(path)
    apart = fresh.run(decoder.Work(inspect_image, (path,)))
    assert apart.preview.tobytes() == here.preview.tobytes() and (apart.image, apart.texts) == (here.image, here.texts)


@pytest.mark.skipif(sys.platform == "win32", reason="processes of POSIX")
def test_the_process_ends_with_its_standard_input(large: Path, fresh: decoder.DecoderProcess) -> None:
    decoder.decode([large], os.getpid)
    process = fresh._process
    assert process is not None and process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0
    fresh._process = None
