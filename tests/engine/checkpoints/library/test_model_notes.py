"""What lies beside LoRAs and embeddings, in the forms of several programs; broken, hostile and endless files; headers."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from safetensors.torch import save_file

from engine.checkpoints.library.entry import CheckpointEntry, entry_for
from engine.checkpoints.library.model_notes import LONGEST_TEXT, MOST_BYTES, ModelNotes, read_notes, read_thumbnail
from engine.errors import CheckpointError
from tests.engine.checkpoints import additions

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def lora(folder: Path, name: str = "ink", metadata: Mapping[str, str] | None = None) -> CheckpointEntry:
    path = folder / f"{name}.safetensors"
    save_file(additions.kohya(1), path, dict(metadata or {}))
    return entry_for(path)


def read(entry: CheckpointEntry) -> ModelNotes:
    return read_notes([entry])[entry.name]


FORMS = {
    "ink.json": {
        "activation text": "inkstyle, brush", "preferred weight": 0.7, "notes": "For <b>ink</b>", "negative text": "photo",
    },
    "ink.civitai.info": {"trainedWords": ["inkstyle", "brush, "], "description": "<p>For <b>ink</b></p>", "model": {"a": 1}},
    "ink.metadata.json": {"model_name": "Ink", "notes": "For ink", "civitai": {"trainedWords": ["inkstyle", "brush"]}},
    "ink.cm-info.json": {"ModelName": "Ink", "ModelDescription": "<p>For ink</p>", "TrainedWords": ["inkstyle", "brush"]},
    "ink.safetensors.rgthree-info.json": {"trainedWords": [{"word": "inkstyle"}, {"word": "brush"}], "userNote": "For ink"},
    "ink.swarm.json": {"modelspec.title": "Ink", "modelspec.trigger_phrase": "inkstyle, brush", "notes": "For ink"},
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_the_form_of_each_program(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps(FORMS[name]), "utf-8")
    notes = read(lora(tmp_path))
    assert notes.words == ("inkstyle", "brush") and notes.text == "For ink" and not notes.troubles
    assert notes.weight == (0.7 if name == "ink.json" else None)
    assert (notes.activation, notes.negative) == (("inkstyle, brush", "photo") if name == "ink.json" else ("", ""))


def test_a_header_says_it_too_and_its_tags_count_where_nothing_else_does(tmp_path: Path) -> None:
    tags = json.dumps({"10_ink": {"brush": 5, "ink": 9}, "20_x": {"brush": 7, "broken": "x"}, "odd": 3})
    spec = {"modelspec.title": "Ink", "modelspec.description": "For ink", "ss_tag_frequency": tags}
    assert read(lora(tmp_path, "one", spec)).words[:2] == ("brush", "ink")
    notes = read(lora(tmp_path, "two", {**spec, "modelspec.trigger_phrase": "inkstyle"}))
    assert (notes.title, notes.words, notes.text) == ("Ink", ("inkstyle",), "For ink")


@pytest.mark.parametrize("name", ["ink.preview.png", "ink.png", "ink.jpeg", "ink.safetensors.webp"])
def test_a_preview_beside_the_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PNG)
    (tmp_path / "ink2.preview.png").write_bytes(PNG)
    assert read(lora(tmp_path)).preview == tmp_path / name


def test_a_preview_in_the_header(tmp_path: Path) -> None:
    entry = lora(tmp_path, metadata={"modelspec.thumbnail": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"})
    assert read(entry).preview == entry.path and read_thumbnail(entry.path) == PNG
    for broken in ("data:image/png;base64,", "data:image/png;base64,%%%", "data:image/png,x"):
        with pytest.raises(CheckpointError, match="damaged"):
            read_thumbnail(lora(tmp_path, "broken", {"modelspec.thumbnail": broken}).path)


BROKEN = (b"", b"{", b"[1]", b'"x"', b"\xff\xfe\x00", b"[" * 100_000, b" " * (MOST_BYTES + 1))


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_neighbour_is_a_sentence_and_the_others_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ink.json").write_bytes(content)
    (tmp_path / "ink.civitai.info").write_text(json.dumps(FORMS["ink.civitai.info"]), "utf-8")
    notes = read(lora(tmp_path))
    assert notes.words == ("inkstyle", "brush")
    assert len(notes.troubles) == 1 and "“ink.json” was left out" in notes.troubles[0]


@pytest.mark.parametrize("value", [None, 3, [], {}, [None, 3, {"word": 4}, []], {"word": "x"}, "", [""], True, -1e999])
def test_a_value_of_another_kind_is_left_out(tmp_path: Path, value: object) -> None:
    keys = ("activation text", "preferred weight", "notes", "negative text", "trainedWords", "civitai", "model", "model_name")
    (tmp_path / "ink.json").write_text(json.dumps(dict.fromkeys(keys, value)), "utf-8")
    assert read(lora(tmp_path)) == ModelNotes(weight=3.0 if value == 3 else 1.0 if value is True else None)


def test_long_texts_and_many_words_are_cut_and_scripts_are_no_text(tmp_path: Path) -> None:
    text = "<script>alert(1)</script><style>p {}</style>ok <img src=x onerror=alert(1)>" + "x" * 99_999
    (tmp_path / "ink.json").write_text(
        json.dumps({"notes": text, "trainedWords": ["w" * 999 + str(n) for n in range(999)]}), "utf-8"
    )
    notes = read(lora(tmp_path))
    assert notes.text.startswith("ok x") and len(notes.text) < LONGEST_TEXT + 9
    assert len(notes.words) <= 60 and max(map(len, notes.words)) < 500


@pytest.mark.skipif(os.name == "nt", reason="pipes are files elsewhere only")
def test_a_pipe_beside_the_file_blocks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ink.json")
    assert "a pipe" in read(lora(tmp_path)).troubles[0]


def test_what_changes_beside_the_file_is_read_again(tmp_path: Path) -> None:
    entry = lora(tmp_path)
    assert read(entry).words == ()
    (tmp_path / "ink.txt").write_text("A note.", "utf-8")
    assert read(entry).text == "A note."
