"""What the person at the machine wants in every image: no metadata, an invisible watermark."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from PIL import Image

from engine import preferences
from engine.events import ImageSaved, Notice
from engine.local import Local
from engine.preferences import Preferences
from engine.records import inspect_file
from engine.records.images import watermark
from engine.requests import StudyNegative, TextToImage
from engine.settings import Settings
from engine.stopping import Stop

ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=64, height=64, steps=1, seed=1)


def test_metadata_is_left_out_and_a_picture_too_small_for_the_mark_says_so(local: Local, tmp_path: Path) -> None:
    preferences.write(tmp_path / "data", Preferences(leave_metadata_out=True, watermark="SDV2"))
    events = list(local.run("job", ASKED, Stop()))
    (saved,) = (event for event in events if isinstance(event, ImageSaved))
    assert not inspect_file.texts(saved.result.path) and b"Easel" not in saved.result.path.read_bytes()
    assert any("watermark" in event.text for event in events if isinstance(event, Notice))
    preferences.write(tmp_path / "data", Preferences())
    (again,) = local.make(dataclasses.replace(ASKED, seed=2))
    assert "easel" in inspect_file.texts(again.path)


def test_studies_leave_it_out_too(local: Local, tmp_path: Path) -> None:
    preferences.write(tmp_path / "data", Preferences(leave_metadata_out=True))
    study = StudyNegative(**{**dataclasses.asdict(ASKED), "negative_prompt": "rain, fog", "guidance_scale": 5.0})
    made = local.make(study)
    assert len(made) > 1 and not any(inspect_file.texts(result.path) for result in made)


def test_a_picture_carries_the_mark(tmp_path: Path) -> None:
    settings = dataclasses.replace(Settings(), data=tmp_path / "data", outputs=tmp_path / "outputs")
    preferences.write(settings.data, Preferences(watermark="SDV2"))
    with Local(settings) as starter:
        (made,) = starter.make(TextToImage(prompt="a cat", checkpoint="starter", width=512, height=512, steps=3, seed=1))
    with Image.open(made.path) as opened:
        assert watermark.decode(opened) == "SDV2"
