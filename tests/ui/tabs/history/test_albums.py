"""Other programs' folders in History: their images are found, searched and followed, and nothing of theirs is ever changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import engine.preferences as preferences
from engine.errors import ImageError
from engine.preferences import Preferences
from engine.records.history import Search
from engine.settings import Settings
from ui import messages
from ui.common.checkpoint_options import CheckpointOptions
from ui.image_folders import ImageFolders, create_key, split_name
from ui.tabs.history.service import HistoryService

A1111 = (
    "a {what} in the sea\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 8x8, Model: dream"
)


def paint(path: Path, what: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = PngInfo()
    texts.add_text("parameters", A1111.format(what=what))
    Image.new("RGB", (8, 8), "blue").save(path, pnginfo=texts)
    return path


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    folder = tmp_path / "webui" / "outputs"
    paint(folder / "txt2img" / "2026" / "whale.png", "whale")
    paint(folder / "txt2img" / "crab.png", "crab")
    (folder / "notes.txt").write_text("theirs")
    return folder


@pytest.fixture
def settings(tmp_path: Path, theirs: Path) -> Settings:
    made = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs")
    paint(made.outputs / "own.png", "ship")
    preferences.write(made.data, Preferences(extra_outputs=(str(theirs),)))
    return made


@pytest.fixture
def service(settings: Settings) -> HistoryService:
    return HistoryService(settings, CheckpointOptions(settings))


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder with its size and time."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def test_their_pictures_are_listed_and_searched_apart_from_easels(service: HistoryService, theirs: Path) -> None:
    key = create_key(theirs)
    assert service.list_folders() == [(messages.OWN_IMAGES, ""), ("webui/outputs", key)]
    list(service.refresh())
    list(service.refresh(key))
    shown = service.render_thumbnails(Search(), 0, "", folder=key)
    assert f"@{key}/txt2img/2026/whale.png" in shown and f"@{key}/txt2img/crab.png" in shown and "own.png" not in shown
    found = service.render_thumbnails(Search(words="whale blurry"), 0, "", folder=key)
    assert "whale.png" in found and "crab.png" not in found
    assert "whale" not in service.render_thumbnails(Search(), 0, "") and service.checkpoints(key) == ["dream"]
    assert sum(count for _, count in service.days(Search(), key)) == 2


def test_a_chosen_picture_shows_its_settings_and_no_button_that_changes_it(service: HistoryService, theirs: Path) -> None:
    key = create_key(theirs)
    list(service.refresh(key))
    chosen = service.render_chosen(f"@{key}/txt2img/crab.png", "")
    assert "a crab in the sea" in chosen and messages.REUSE in chosen and 'data-send="to_describe"' in chosen
    for action in ("trash", "mark", "unmark"):
        assert f'data-action="{action}"' not in chosen
    assert "data-many" not in service.render_thumbnails(Search(), 0, "", folder=key)
    assert service.recall(f"@{key}/txt2img/crab.png") is not None


def test_nothing_of_theirs_is_changed_whatever_is_asked(service: HistoryService, theirs: Path, trash: Path) -> None:
    before, image = snapshot(theirs), f"@{create_key(theirs)}/txt2img/crab.png"
    list(service.refresh(create_key(theirs)))
    for change in (lambda: service.to_trash(image), lambda: service.mark(image, True), lambda: service.mark(image, False)):
        with pytest.raises(ImageError, match="another program"):
            change()
    service.render_chosen(image, "")
    assert snapshot(theirs) == before


def test_what_they_remove_and_add_is_followed(service: HistoryService, theirs: Path) -> None:
    key = create_key(theirs)
    list(service.refresh(key))
    (theirs / "txt2img" / "crab.png").unlink()
    paint(theirs / "new.png", "squid")
    list(service.refresh(key))
    shown = service.render_thumbnails(Search(), 0, "", folder=key)
    assert "crab.png" not in shown and "new.png" in shown


def test_a_folder_that_is_gone_and_one_that_is_removed(service: HistoryService, settings: Settings, theirs: Path) -> None:
    key = create_key(theirs)
    list(service.refresh(key))
    theirs.rename(theirs.with_name("elsewhere"))
    list(service.refresh(key))
    assert "is not there" in service.render_thumbnails(Search(), 0, "", folder=key)
    theirs.with_name("elsewhere").rename(theirs)
    assert "crab.png" in service.render_thumbnails(Search(), 0, "", folder=key)
    preferences.write(settings.data, Preferences())
    assert service.list_folders() == [(messages.OWN_IMAGES, "")]
    assert ImageFolders(settings.outputs, settings.data).find(f"@{key}/txt2img/crab.png") is None


def test_no_other_file_of_theirs_is_served(settings: Settings, theirs: Path, tmp_path: Path) -> None:
    folders, key = ImageFolders(settings.outputs, settings.data), create_key(theirs)
    paint(tmp_path / "private.png", "secret")
    os.symlink(tmp_path / "private.png", theirs / "link.png")
    for name in ("notes.txt", "../../private.png", "link.png", "/etc/passwd", "txt2img", "nothing.png", ""):
        assert folders.find(f"@{key}/{name}") is None, name
    assert folders.find("@0123456789ab/txt2img/crab.png") is None
    found = folders.find(f"@{key}/txt2img/crab.png")
    assert found is not None and folders.name(found) == f"@{key}/txt2img/crab.png" and split_name("own.png") == ("", "own.png")


def test_a_large_folder_is_read_while_the_page_goes_on(service: HistoryService, theirs: Path) -> None:
    small = (theirs / "txt2img" / "crab.png").read_bytes()
    for number in range(600):
        (theirs / f"{number:05}.png").write_bytes(small)
    key = create_key(theirs)
    waiting = service.refresh(key)
    assert next(waiting) > 0, "the first look comes before the folder is read"
    assert "own.png" not in service.render_thumbnails(Search(), 0, "", 600, key)
    waiting.close()  # the page is gone, and the folder is read to its end all the same
    list(service.refresh(key))
    assert "602" in service.render_thumbnails(Search(), 0, "", folder=key)
