"""The Checkpoints and Settings tabs without a browser: what they say, and what they keep."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from engine import preferences
from engine.checkpoints.download.sources import read_offers
from engine.checkpoints.families import BY_NAME
from engine.checkpoints.library import sha256
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.entry import stamp_of
from engine.requests import DTYPES
from engine.settings import Settings
from tests.engine.checkpoints.library.test_catalogue import ESRGAN, LORA, SD1, SD2, write
from ui import messages, sentences
from ui.common import form
from ui.common.checkpoint_options import CheckpointOptions
from ui.tabs.checkpoints.service import CheckpointsService
from ui.tabs.checkpoints.view import can_trash
from ui.tabs.settings.service import SettingsService
from ui.tabs.upscale import form as upscale_form
from ui.tabs.upscale.service import UpscaleService


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    write(tmp_path / "models" / "<b>bold</b>.safetensors", SD1)
    write(tmp_path / "models" / "two.ckpt", SD2)
    write(tmp_path / "models" / "loras" / "ink.safetensors", LORA)
    write(tmp_path / "models" / "x4.pth", ESRGAN)
    (tmp_path / "models" / "page.ckpt").write_text("<html>Not found</html>")
    return Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs")


def test_everything_is_listed_and_nothing_is_markup(settings: Settings) -> None:
    shown = CheckpointsService(settings, CheckpointOptions(settings)).render_inventory()
    assert "<b>bold" not in shown and "&lt;b&gt;bold" in shown
    for text in ("Stable Diffusion 2, 512", "for Stable Diffusion 1", "upscaler (ESRGAN)", "fp16", "“page.ckpt” was not loaded"):
        assert text in shown


def test_what_is_chosen_counts_from_then_on(settings: Settings) -> None:
    stock = CheckpointsService(settings, CheckpointOptions(settings))
    assert messages.CHOICE_KEPT in stock.choose("two", "sd2_v", "")
    assert "Stable Diffusion 2, 768" in stock.render_inventory()
    entry = CheckpointOptions(settings).scan().find("two")
    assert (entry.family.name, entry.identity.prediction_type) == ("sd2_v", "v_prediction")
    stock.choose("two", "no such family", "no such thing")
    assert "Stable Diffusion 2, 512" in stock.render_inventory()
    assert messages.FILE_GONE in stock.choose("../two", "", "")


def test_the_hash_that_other_programs_name_is_shown_once_it_is_known(settings: Settings) -> None:
    path = settings.models / "two.ckpt"
    stock = CheckpointsService(settings, CheckpointOptions(settings))
    assert "Hash in other programs" not in stock.render_inventory()
    settings.data.mkdir()
    (settings.data / sha256.FILE).write_text(json.dumps({str(path): [*stamp_of(path), "6ce0161689" + "0" * 54]}))
    stock.scan()
    assert sentences.full_hash("6ce0161689" + "0" * 54) in stock.render_inventory()


def test_presses_that_mean_nothing_do_nothing(settings: Settings) -> None:
    stock = CheckpointsService(settings, CheckpointOptions(settings))
    for what, which in (("ask", "nothing"), ("start", "7"), ("__class__", "1"), ("pause", "x"), ("cancel", "99")):
        stock.press(what, which)
    assert stock.render_downloads() == "" and not stock.busy
    assert "neither a link nor a hub name" in stock.paste("what is this")


def test_every_offer_is_shown_with_its_licence(settings: Settings) -> None:
    shown = CheckpointsService(settings, CheckpointOptions(settings)).render_offers()
    for offer in read_offers():
        assert offer.label in shown and offer.licence_link in shown and offer.family in BY_NAME


def test_preferences_are_saved_and_folders_listed(settings: Settings, tmp_path: Path) -> None:
    service = SettingsService(settings)
    write(tmp_path / "comfy" / "models" / "checkpoints" / "a.safetensors", SD1)
    (tmp_path / "comfy" / "comfy_extras").mkdir()
    folders = f'"{tmp_path / "comfy"}"\n\n{tmp_path / "gone"}\n'
    said = service.save(
        {
            **service.read()[0],
            "extra_models": folders,
            "extra_outputs": "",
            "precision": "float32",
            "compile": True,
            "keep_usable": True,
            "leave_metadata_out": True,
            "safety_checker": True,
            "watermark": " mine ",
            "file_format": "webp",
            "quality": "",
            "name_pattern": " {date}/{prompt} ",
        }
    )
    assert "(ComfyUI): 1 file" in said and "There is no folder" in said
    written, _ = SettingsService(settings).read()
    assert written["extra_models"].splitlines() == [str(tmp_path / "comfy"), str(tmp_path / "gone")]
    kept = (
        "precision",
        "keep_usable",
        "leave_metadata_out",
        "safety_checker",
        "watermark",
        "file_format",
        "quality",
        "name_pattern",
    )
    assert [written[name] for name in kept] == ["float32", True, True, True, "mine", "webp", "95", "{date}/{prompt}"]
    assert "a" in CheckpointOptions(settings).checkpoints
    (settings.data / preferences.FILE).write_text("{broken")
    written, said = service.read()
    assert written["precision"] == "auto" and "trouble" in said and "cannot be read" in said
    assert written["precision"] in ("auto", *DTYPES)


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("~nobody-of-this-name/models", "no user called"), ("x" * 256, "too long"), ("/a" * 3000, "too long"),
        ("/\0", "character"), ("loop", "look into it"),
        ("/proc", "operating system"), ("/dev/null", "not a folder"), ("/dev/null/x", "There is no folder"),
    ],
)  # fmt: skip
def test_a_folder_that_can_hold_nothing_is_not_saved(folder: str, why: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    written, _ = SettingsService(settings).read()
    named = str(tmp_path / "loop") if folder == "loop" else folder
    said = SettingsService(settings).save({**written, "extra_models": f"{tmp_path}\n{named}"})
    assert why in said
    saved = preferences.read(settings.data).extra_models
    assert saved == ((str(tmp_path), named) if "There is no folder" in said else ())


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        *(("quality", value, "from 1 to 100") for value in ("0", "101", "x", "9.5", "9" * 5000)),
        *(("name_pattern", value, "pattern for file names") for value in ("../{date}", "/a", "{no}")),
    ],
)
def test_a_name_pattern_or_a_quality_that_cannot_be_used_is_not_saved(
    settings: Settings, name: str, value: str, why: str
) -> None:
    service = SettingsService(settings)
    assert why in service.save({**service.read()[0], name: value})
    assert preferences.read(settings.data) == preferences.Preferences()


def test_a_forbidden_folder_is_not_saved(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "forbidden").mkdir()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", refuse)
    written, _ = SettingsService(settings).read()
    assert "may not look into it" in SettingsService(settings).save({**written, "extra_models": str(tmp_path / "forbidden")})
    assert preferences.read(settings.data) == preferences.Preferences()


def test_each_event_looks_through_the_folders_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    options, scans = CheckpointOptions(settings), list[Catalogue]()
    tab, upscale = CheckpointsService(settings, options), UpscaleService(settings, options)
    scan = Catalogue.scan
    monkeypatch.setattr(Catalogue, "scan", lambda catalogue: (scans.append(catalogue), scan(catalogue))[1])
    assert tab.render_inventory() and tab.render_offers() and upscale.list_upscalers()
    assert not scans, "a page that opens is not held up by a large folder"
    assert tab.choose("two", "sd2_v", "") and tab.render_inventory()
    assert len(scans) == 1
    assert upscale.find_kind("x4") == upscale_form.PLAIN and upscale.find_checkpoint("x4").name == ""
    assert len(scans) == 1


def test_additions_go_from_the_form_to_the_request_and_back(settings: Settings) -> None:
    checkpoint_options = CheckpointOptions(settings)
    assert checkpoint_options.additions["lora"] == ("ink",)
    checkpoint = checkpoint_options.find("two")
    written = {**form.BLANK, "checkpoint": "two", "vae": "v", "refiner": "r", "refiner_start": "0,7", "clip_skip": "2"}
    asked = form.create_request(written, checkpoint)
    assert (asked.vae, asked.refiner, asked.refiner_start, asked.clip_skip) == ("v", "r", 0.7, 2)
    again = form.fill_form(asked, checkpoint)
    assert {name: again[name] for name in ("vae", "refiner", "refiner_start", "clip_skip")} == {
        "vae": "v", "refiner": "r", "refiner_start": "0.7", "clip_skip": "2",
    }  # fmt: skip
    plain = form.create_request({**form.BLANK, "checkpoint": "two"}, checkpoint)
    assert (plain.vae, plain.refiner, plain.clip_skip) == (None, None, None)


def test_a_checkpoints_usual_values_fill_the_form_and_stay(settings: Settings) -> None:
    options = CheckpointOptions(settings)
    service = CheckpointsService(settings, options)
    name = next(iter(options.checkpoints))
    kept = {"steps": "7", "guidance_scale": "0", "vae": "", "words_before": "masterpiece"}
    assert messages.CHOICE_KEPT in service.choose(name, "", "", kept)
    assert 'value="masterpiece"' in service.render_inventory()
    chosen = options.find(name)
    request = form.create_request({**form.BLANK, "prompt": "a cat"}, chosen)
    assert (request.steps, request.guidance_scale, request.prompt) == (7, 0, "masterpiece, a cat")
    again = form.create_request({**form.BLANK, "prompt": request.prompt, "steps": "9", "vae": "x"}, chosen)
    assert (again.steps, again.prompt, again.vae) == (9, request.prompt, "x")
    for wrong in ({"steps": "0"}, {"steps": "x"}, {"steps": "1001"}, {"guidance_scale": "nan"}, {"guidance_scale": "-1"}):
        assert "was not saved" in service.choose(name, "", "", {**kept, **wrong})
    assert CheckpointOptions(settings).find(name) == chosen
    service.choose(name, "", "", {})
    assert CheckpointOptions(settings).find(name).words_before == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the trash of other systems cannot be moved")
def test_only_files_of_easels_own_folder_go_to_the_trash(settings: Settings, tmp_path: Path, trash: Path) -> None:
    write(tmp_path / "other" / "theirs.ckpt", SD2)
    (settings.models / "linked.ckpt").symlink_to(tmp_path / "other" / "theirs.ckpt")
    settings = dataclasses.replace(settings, extra_models=(tmp_path / "other",))
    options = CheckpointOptions(settings)
    service = CheckpointsService(settings, options)
    service.render_inventory()
    for name in ("theirs", "linked"):
        assert "leaves it where it is" in service.trash(name, busy=False)
    assert messages.JOBS_MAY_NEED_IT in service.trash("two", busy=True)
    assert (settings.models / "two.ckpt").exists() and (tmp_path / "other" / "theirs.ckpt").exists()
    assert "“two” is in the trash" in service.trash("two", busy=False)
    assert not (settings.models / "two.ckpt").exists() and [path.name for path in trash.rglob("*.ckpt")] == ["two.ckpt"]
    assert messages.FILE_GONE in service.trash("../two", busy=False)
    starter = CheckpointOptions(Settings(data=tmp_path / "fresh")).find_entry("starter")
    assert not can_trash(starter, starter.path.parent)
