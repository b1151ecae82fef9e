"""The tokenizer against CLIP's published ids, and against transformers' own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from engine.errors import CheckpointError
from engine.prompt.tokenizer import PromptTokenizer, load_tokenizer, wrap_tokenizer
from tests.engine.prompt.conftest import CLIP, STARTER

THEIRS = CLIPTokenizer.from_pretrained(str(CLIP), local_files_only=True)


def ids(tokenizer: PromptTokenizer, text: str) -> list[int]:
    return [piece.id for piece in tokenizer.pieces(text)]


def test_the_published_ids(clip: PromptTokenizer) -> None:
    assert clip.size == 49408
    assert (clip.start_id, clip.end_id, clip.pad_id, clip.max_length) == (49406, 49407, 49407, 77)
    assert ids(clip, "a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert clip.comma_id == 267


def test_the_vocabulary_carries_its_licence() -> None:
    assert "Copyright (c) 2021 OpenAI" in (CLIP / "LICENSE").read_text(encoding="utf-8")


def test_the_second_tokenizer_differs_by_its_padding() -> None:
    assert load_tokenizer(CLIP, pad_token="!").pad_id == 0


@given(st.text(max_size=60))
def test_the_same_as_transformers(text: str) -> None:
    assert ids(load_tokenizer(CLIP), text) == THEIRS(text, add_special_tokens=False).input_ids


def test_a_pipelines_tokenizer_is_read_the_same(clip: PromptTokenizer) -> None:
    THEIRS("so that truncation and padding are on", padding="max_length", max_length=20, truncation=True)
    wrapped = wrap_tokenizer(THEIRS)
    text = "a photograph of Antidisestablishmentarianism, " * 3
    assert ids(wrapped, text) == ids(clip, text)
    assert (wrapped.start_id, wrapped.end_id, wrapped.pad_id, wrapped.max_length) == (49406, 49407, 49407, 77)


def test_pieces_know_their_place_and_word(clip: PromptTokenizer) -> None:
    text = "Café, 你好 🐱 zeppelinesque"
    pieces = clip.pieces(text)
    words = {n: text[min(p.start for p in pieces if p.word == n) : max(p.end for p in pieces if p.word == n)] for n in range(5)}
    assert list(words.values()) == ["Café", ",", "你好", "🐱", "zeppelinesque"]


def test_a_folder_that_holds_only_tokenizer_json(tmp_path: Path, clip: PromptTokenizer) -> None:
    (tmp_path / "tokenizer.json").write_text(THEIRS.backend_tokenizer.to_str(), encoding="utf-8")
    assert ids(load_tokenizer(tmp_path), "a photo of a cat") == [320, 1125, 539, 320, 2368]


def test_a_changed_folder_is_read_again(tmp_path: Path) -> None:
    shutil.copytree(STARTER, tmp_path, dirs_exist_ok=True)
    before = load_tokenizer(tmp_path)
    assert load_tokenizer(tmp_path) is before
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"model_max_length": 20}))
    assert load_tokenizer(tmp_path).max_length == 20


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"a": "b"}', "<html>"])
def test_a_damaged_folder_is_a_sentence(tmp_path: Path, content: str) -> None:
    shutil.copytree(STARTER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "vocab.json").write_text(content)
    with pytest.raises(CheckpointError, match="tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe has no name on this system")
@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "tokenizer.json"]
)
def test_a_pipe_in_its_place_is_a_sentence(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    shutil.copytree(CLIP, folder)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(CheckpointError, match="pipe"):
        load_tokenizer(folder)


def test_an_empty_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no tokenizer in .*vocab\.json"):
        load_tokenizer(tmp_path)
