from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import ImageError
from engine.records import inspect_file, metadata, outputs
from engine.records.images import watermark
from engine.records.record import Record, parameters
from engine.requests import Resolved
from tests.engine.records import carriers
from tests.engine.records.conftest import textured


def test_an_easel_picture_tells_everything(resolved: Resolved, tmp_path: Path) -> None:
    image = watermark.encode(textured(512, 512), "SDV2")
    path = outputs.save(image, resolved, outputs=tmp_path, job="a", index=0)
    seen = inspect_file.inspect_image(path)
    assert seen.record is not None and seen.record.resolved == resolved
    assert (seen.foreign, seen.watermark, seen.problem) == (None, "SDV2", "")
    assert set(seen.texts) == {"easel", "parameters", "XML:com.adobe.xmp"}
    assert seen.preview.tobytes() == image.tobytes()


def test_a_foreign_picture() -> None:
    seen = inspect_file.inspect_image(carriers.user_comment("a fox\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1", "JPEG"))
    assert seen.record is None and seen.foreign is not None and seen.foreign.prompt == "a fox"
    assert list(seen.texts) == ["parameters"] and seen.watermark is None


def test_a_damaged_record_is_said_and_the_other_text_still_read(resolved: Resolved) -> None:
    other = parameters(Record(resolved=resolved, job="a"))
    seen = inspect_file.inspect_image(carriers.png({"easel": '{"format" 1', "parameters": other}))
    assert "cannot be read" in seen.problem and seen.foreign is not None and seen.foreign.program == "Easel"


def test_no_picture() -> None:
    with pytest.raises(ImageError):
        inspect_file.inspect_image(b"no picture")


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_picture_made_from_another_still_says_how_that_came_to_be(resolved: Resolved, tmp_path: Path, format: str) -> None:
    first = metadata.encode(textured(64, 64), Record(resolved=resolved, job="first"), format)
    silent = replace(resolved, request=replace(resolved.request, prompt=""))
    path = outputs.save(
        textured(64, 64),
        silent,
        outputs=tmp_path,
        job="second",
        index=0,
        style=outputs.FileStyle(format=format),
        source=inspect_file.texts(first),
    )
    record = metadata.read(path)
    assert record is not None and record.resolved == silent
    assert inspect_file.texts(path)["parameters"] == parameters(Record(resolved=resolved, job="first"))
    assert '"job": "first"' in record.source["easel"]
