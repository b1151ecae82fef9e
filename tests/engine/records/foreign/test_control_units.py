"""Controls in AUTOMATIC1111's text: what Easel writes is read back, and what the extension writes is understood."""

from __future__ import annotations

import pytest

from engine.records.foreign import readers
from engine.records.foreign.control_units import read_unit, write_units
from engine.requests import CONTROL_MODES, PREPROCESSORS, Control, TextToImage

PUBLISHED = (
    "Module: {module}, Model: control_v11p_sd15_canny [d14c016b], Weight: 0.75, Resize Mode: Crop and Resize, "
    "Processor Res: 512, Threshold A: 100.0, Threshold B: 200.0, Guidance Start: 0.1, Guidance End: 0.8, "
    "Pixel Perfect: {perfect}, Control Mode: My prompt is more important"
)


@pytest.mark.parametrize("preprocessor", PREPROCESSORS)
@pytest.mark.parametrize("mode", CONTROL_MODES)
def test_what_is_written_is_read_back(preprocessor: str, mode: str) -> None:
    control = Control(model="my, canny", preprocessor=preprocessor, weight=0.6, start=0.2, end=0.9, mode=mode, resolution=512)
    control = Control(**{**vars(control), "model": "my canny"})
    ((label, text),) = write_units((control,))
    read = read_unit(text)
    same = {"lines": "invert"}.get(preprocessor, preprocessor)
    assert label == "ControlNet 0" and read == Control(**{**vars(control), "preprocessor": same})


@pytest.mark.parametrize("perfect", ["True", "False"])
def test_the_extensions_own_text_is_read_without_the_picture_and_that_is_said(perfect: str) -> None:
    unit = PUBLISHED.format(module="canny", perfect=perfect)
    line = f'a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, ControlNet 0: "{unit}", Version: v1.10.1'
    record = readers.read_fields({"parameters": line})
    assert record is not None and not record.unused.settings
    request, notes = readers.to_request(record, ["Euler a"], ["x"])
    assert isinstance(request, TextToImage)
    assert request.controls == (
        Control(
            model="control_v11p_sd15_canny", preprocessor="canny", weight=0.75, start=0.1, end=0.8, mode="prompt",
            resolution=0 if perfect == "True" else 512,
        ),
    )  # fmt: skip
    assert any("pictures" in note and "not in the file" in note for note in notes)


@pytest.mark.parametrize(
    "unit", ["Module: openpose_full, Model: x", "Module: canny, Weight: 1", "Module: canny, Model: None", "junk", ""]
)
def test_what_cannot_be_used_is_left_to_be_said(unit: str) -> None:
    assert read_unit(unit) is None
