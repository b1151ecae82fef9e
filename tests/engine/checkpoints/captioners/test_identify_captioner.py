"""Captioners are recognised by their content, and what is not one is refused with a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from engine.checkpoints.captioners.find import NO_CAPTIONER, find_captioner, is_tagger, list_captioners
from engine.checkpoints.captioners.onnx_file import read_onnx
from engine.checkpoints.captioners.tag_list import ImageTag, read_tags, write_tags
from engine.checkpoints.files.tensor_info import DamagedFile
from engine.checkpoints.identify.identify import identify
from engine.checkpoints.library.catalogue import Catalogue
from engine.errors import CheckpointError
from engine.settings import Settings
from tests.engine.tiny_captioners import TAGS, create_blip, create_florence, create_tagger, write_tag_list


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    create_blip(folder / "captioners" / "any name")
    create_florence(folder / "another name")
    create_tagger(folder / "wd" / "model.onnx")
    return folder


def test_the_catalogue_lists_folders_and_taggers_and_not_their_parts(models: Path, tmp_path: Path) -> None:
    inventory = Catalogue(Settings(models=models, data=tmp_path)).scan()
    found = {entry.name: entry.identity for entry in list_captioners(inventory)}
    assert set(found) == {"captioners/any name", "another name", "wd/model"} and not inventory.refused
    assert [len(inventory.entries), inventory.of_kind("unknown")] == [3, []]
    assert "BLIP" in found["captioners/any name"].reason and "Florence-2" in found["another name"].reason
    assert found["wd/model"].reason == f"a WD14 tagger with {len(TAGS)} tags"
    assert len({identity.digest for identity in found.values()}) == 3 and all(each.parameters for each in found.values())
    assert find_captioner(None, inventory).name == "another name" and is_tagger(find_captioner("wd/model", inventory))


def test_other_checkpoints_in_a_folder_with_a_captioners_configuration_are_found(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "captioners" / "any name", tmp_path / "models")
    shutil.copytree(models / "wd", tmp_path / "models" / "wd")
    inventory = Catalogue(Settings(models=tmp_path / "models", data=tmp_path)).scan()
    assert len(list_captioners(inventory)) == 2


def test_nothing_there_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(CheckpointError) as refused:
        find_captioner(None, Catalogue(Settings(models=tmp_path / "models", data=tmp_path)).scan())
    assert str(refused.value) == NO_CAPTIONER


def test_a_list_of_tags_that_comes_later_is_seen(tmp_path: Path) -> None:
    path = create_tagger(tmp_path / "models" / "wd.onnx")
    catalogue, listed = Catalogue(Settings(models=tmp_path / "models", data=tmp_path)), path.parent / "selected_tags.csv"
    listed.rename(listed.with_name("elsewhere.txt"))
    assert "selected_tags.csv" in catalogue.scan().refused[path]
    write_tag_list(path.with_suffix(".csv"), TAGS)
    assert [entry.name for entry in list_captioners(catalogue.scan())] == ["wd"], "ComfyUI names the list after the model"


def drop_list(path: Path) -> None:
    (path.parent / "selected_tags.csv").unlink()


def shorten_list(path: Path) -> None:
    write_tag_list(path.parent / "selected_tags.csv", TAGS[:2])


def spoil_list(path: Path) -> None:
    (path.parent / "selected_tags.csv").write_text("a,b\n1,2\n")


def move_weights(path: Path) -> None:
    onnx.save(onnx.load(path), path, save_as_external_data=True, size_threshold=0)


def take_two_images(path: Path) -> None:
    model = onnx.load(path)
    model.graph.input.append(onnx.helper.make_tensor_value_info("second", onnx.TensorProto.FLOAT, [1, 8, 8, 3]))
    onnx.save(model, path)


def put_channels_first(path: Path) -> None:
    create_tagger(path, shape=(1, 3, 8, 8))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (drop_list, "its list of tags is missing"), (shorten_list, "2 rows"), (spoil_list, "no columns"),
        (move_weights, "another file"), (take_two_images, "WD14 taggers alone"), (put_channels_first, "WD14 taggers alone"),
        (cut, "damaged"),
    ],
)  # fmt: skip
def test_an_onnx_file_that_cannot_be_used_is_refused(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    path = create_tagger(tmp_path / "model.onnx")
    spoil(path)
    with pytest.raises(CheckpointError, match=said):
        identify(path)


@pytest.mark.parametrize("place", range(0, 300, 7))
def test_damaged_bytes_raise_nothing_else(tmp_path: Path, place: int) -> None:
    path = create_tagger(tmp_path / "model.onnx")
    whole = bytearray(path.read_bytes())
    whole[place % len(whole)] ^= 0xFF
    path.write_bytes(whole)
    try:
        read_onnx(path)
    except DamagedFile:
        return


def test_florence_with_a_program_of_its_own_says_which_to_get(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models / "another name", tmp_path / "florence")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoConfig": "configuration_florence2.Config"}}))
    found = identify(folder)
    assert found.kind == "unknown" and "florence-community" in found.reason


def test_a_folder_without_its_weights_is_refused(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models / "another name", tmp_path / "florence")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no weights"):
        identify(folder)


def test_tags_become_words_for_a_prompt(tmp_path: Path) -> None:
    write_tag_list(tmp_path / "tags.csv", TAGS)
    tags = read_tags(tmp_path / "tags.csv")
    assert tags[3] == ImageTag("miku_(singer)", 4)
    words = write_tags(tags, [0.9, 0.5, 0.99, 0.84, 0.4, 0.2], 0.35)
    assert words == "red hair, 1girl, ^_^", "no rating, no uncertain character, the most certain first"
    assert write_tags(tags, [0.0] * 3 + [0.9] + [0.0] * 2, 0.35) == "miku \\(singer\\)"
