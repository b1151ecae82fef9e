"""The Upscale tab in plain values: what is asked, what it will cost, and what is compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact

from engine.errors import ImageError, RequestError
from engine.plan.learned import LearnedFacts
from engine.plan.upscale_estimate import UpscaleWork, learn_upscale_speed
from engine.records.blobs import Blobs
from engine.settings import Settings
from tests.engine.generate.upscale.tiny_networks import save_network
from ui.common.checkpoint_options import CheckpointOptions
from ui.tabs.upscale import form
from ui.tabs.upscale.form import BLANK
from ui.tabs.upscale.service import UpscaleService


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With one upscaler of the user's own."""
    models = tmp_path / "models"
    models.mkdir()
    weights = {name: value.contiguous() for name, value in Compact(num_feat=8, num_conv=1, upscale=2).state_dict().items()}
    save_file(weights, models / "mine.safetensors")
    return Settings(models=models, data=tmp_path / "data", outputs=tmp_path / "outputs")


@pytest.fixture
def tab(settings: Settings) -> UpscaleService:
    return UpscaleService(settings, CheckpointOptions(settings))


@pytest.fixture
def photo(tmp_path: Path) -> str:
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_the_form_becomes_a_request(tab: UpscaleService, settings: Settings, photo: str) -> None:
    asked = tab.create_request({**BLANK, "factor": 2.5, "cleaning": 0.4, "prompt": "not read here", "seed": "7"}, [photo, photo])
    assert (asked.factor, asked.cleaning, asked.seed, asked.prompt, len(asked.images)) == (2.5, 0.4, 7, "", 2)
    assert Blobs(settings.data / "blobs").path(asked.images[0]).read_bytes() == Path(photo).read_bytes()
    again = tab.create_request(form.fill_form(asked), [photo, photo])
    assert again == asked


def test_every_upscaler_is_offered_and_each_has_its_fields(tab: UpscaleService) -> None:
    assert [name for _, name in tab.list_upscalers()] == ["starter-x4", "mine", "lanczos"]
    assert [tab.find_kind(name) for _, name in tab.list_upscalers()] == ["built in", "plain", "plain"]


@pytest.mark.parametrize(("changes", "said"), [({"seed": "1.5"}, "Seed must be a whole number"), ({"factor": 99}, "factor must")])
def test_what_cannot_be_used_is_said(changes: dict[str, object], said: str, tab: UpscaleService, photo: str) -> None:
    with pytest.raises(RequestError, match=said):
        tab.create_request({**BLANK, **changes}, [photo])


def test_files_that_are_no_pictures_are_named(tab: UpscaleService, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ImageError, match=r"notes\.txt.*not a picture"):
        tab.create_request(BLANK, [str(tmp_path / "notes.txt")])
    with pytest.raises(ImageError, match="no picture to upscale"):
        tab.create_request(BLANK, [])


def test_of_a_folder_the_pictures_are_taken_and_the_rest_is_named(tab: UpscaleService, photo: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    Image.new("L", (4, 4)).save(tmp_path / "a.gif")
    found, said = tab.select_images([photo, str(tmp_path / "notes.txt"), str(tmp_path / "a.gif")])
    assert found == [str(tmp_path / "a.gif"), photo]
    assert said == "1 file of the folder is not a picture and was skipped: “notes.txt”."
    assert tab.select_images(found) == (found, "")


def test_the_cost_is_said_before_and_learnt_from_runs(tab: UpscaleService, settings: Settings, photo: str) -> None:
    written = {**BLANK, "upscaler": "mine"}
    assert tab.estimate(written, []) == ""
    first = tab.estimate(written, [photo])
    assert "256 × 256 becomes 1,024 × 1,024 pixels" in first and "rough guess" in first
    entry = next(entry for entry in CheckpointOptions(settings).scan().of_kind("upscaler"))
    job = UpscaleWork(width=256, height=256, factor=4, checkpoint_hash=entry.hash)
    learn_upscale_speed(job, 40.0, LearnedFacts(settings.data / "learnt.json"))
    later = tab.estimate(written, [photo])
    assert "about 40 s" in later and "rough guess" not in later


@pytest.mark.parametrize(("side", "shown"), [(1024, 1024), (4096, 2048)])
def test_the_pair_is_of_one_size_and_no_larger_than_a_screen(
    side: int, shown: int, tab: UpscaleService, photo: str, tmp_path: Path
) -> None:
    asked = tab.create_request(BLANK, [photo])
    Image.new("RGB", (side, side), "red").save(tmp_path / "result.png")
    pair = tab.create_pair(asked, tmp_path / "result.png")
    assert pair is not None and pair[0].size == pair[1].size == (shown, shown)
    pair[1].save(tmp_path / "after.png")
    assert pair[1].getpixel((5, 5)) == (255, 0, 0)


@pytest.fixture
def with_cleaner(settings: Settings) -> UpscaleService:
    """The tab where there is a network that keeps the size."""
    save_network("NAFNet", settings.models)
    return UpscaleService(settings, CheckpointOptions(settings))


def test_a_cleaner_is_offered_as_one_and_keeps_the_size(with_cleaner: UpscaleService, photo: str) -> None:
    assert with_cleaner.list_upscalers()[-1] == ("Clean: NAFNet, at the same size", "NAFNet")
    assert with_cleaner.find_kind("NAFNet") == "cleaner"
    written = {**BLANK, "upscaler": "NAFNet", "factor": 4, "cleaning": 0.5, "seed": "7"}
    assert "256 × 256 becomes 256 × 256 pixels" in with_cleaner.estimate(written, [photo])
    asked = with_cleaner.create_request(written, [photo])
    assert (asked.upscaler, asked.factor, asked.cleaning) == ("NAFNet", 1.0, 0.0)
    assert with_cleaner.create_request(form.fill_form(asked), [photo]) == asked
