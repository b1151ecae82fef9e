"""How the prompt was read, as HTML. With the starter's real vocabulary."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from engine.prompt.tokenizer import load_tokenizer
from engine.prompt.tokens import PromptReading, read_prompt
from engine.settings import HOUSE, Settings
from tests.engine.checkpoints import tiny
from ui import messages, sentences
from ui.common.checkpoint_options import NONE, CheckpointOptions
from ui.common.prompt_box import read_prompts
from ui.words import prompt_reading

CLIP = HOUSE / "engine" / "checkpoints" / "configs" / "clip_tokenizer"
STARTER = HOUSE / "models" / "starter"
KNOWN = CheckpointOptions(Settings()).find("starter")


def read(prompt: str) -> PromptReading:
    return read_prompt(prompt, load_tokenizer(STARTER / "tokenizer"))


def show(prompt: str) -> str:
    return prompt_reading.render_readings({"Prompt": {"it": read(prompt)}})


def test_words_that_the_starter_was_never_taught_are_said_with_the_way_out() -> None:
    said = prompt_reading.render_warning([{"it": read("a cat and a quokka & a Spectrometer")}], KNOWN, Path("/my/models"))
    assert "quokka" in said and "Spectrometer" in said and "cat" not in said.split("It draws")[0]
    assert "/my/models" in said


def test_a_prompt_that_the_starter_knows_needs_no_words() -> None:
    assert prompt_reading.render_warning([{"it": read("a cat on the beach")}], KNOWN, Path("models")) == ""


def test_large_checkpoints_are_not_asked_what_they_know() -> None:
    assert prompt_reading.render_warning([{"it": read("a quokka")}], NONE, Path("models")) == ""


def test_tokens_are_shown_with_weights_and_strangers() -> None:
    shown = show("a (red:1.3) quokka <b>")
    assert 'data-weight="1.30">red<' in shown and 'class="unknown"' in shown and "<b>" not in shown


def test_the_line_between_two_parts_is_drawn() -> None:
    assert show("cat " * 40).count("<hr>") == 1


def xl(first: str, second: str) -> str:
    """How XL's two tokenizers, which differ in what they fill up with, read a text each."""
    tokenizers = {"The text encoder": load_tokenizer(CLIP), "The second text encoder": load_tokenizer(CLIP, pad_token="!")}
    texts = dict(zip(tokenizers, (first, second), strict=True))
    return prompt_reading.render_readings(
        {"Prompt": {name: read_prompt(texts[name], tokenizer) for name, tokenizer in tokenizers.items()}}
    )


def test_both_text_encoders_of_xl_are_shown_once_if_they_read_alike() -> None:
    alike = xl("NO WAR, a (telescope:1.2)", "NO WAR, a (telescope:1.2)")
    assert messages.BOTH_ENCODERS in alike and alike.count('class="tokens"') == 1
    assert sentences.lowered_words(["NO", "WAR"]) in alike
    apart = xl("a cat", "a dog")
    assert messages.BOTH_ENCODERS not in apart and apart.count('class="tokens"') == 2
    assert "The second text encoder" in apart


def test_words_in_pieces_are_said_and_are_no_strangers_to_a_large_vocabulary() -> None:
    shown = xl("a zxqvbnm", "a zxqvbnm")
    assert sentences.split_words(["zxqvbnm"]) in shown and sentences.missing_words(["zxqvbnm"]) not in shown


def test_capitals_are_said_to_be_lost() -> None:
    assert sentences.lowered_words(["NO"]) in show("NO cat")


def test_an_embedding_in_the_models_folder_is_read_as_its_tokens(tmp_path: Path) -> None:
    tiny.pipeline("sd1").save_pretrained(tmp_path / "models" / "tiny")
    save_file({"emb_params": torch.zeros(3, 768)}, tmp_path / "models" / "handfix.safetensors")
    [encoder] = CheckpointOptions(Settings(models=tmp_path / "models")).find("tiny").text_encoders
    assert encoder.embeddings == (("handfix", 3),)
    tokenizer = load_tokenizer(encoder.tokenizer, pad_token=encoder.pad_token, embeddings=encoder.embeddings)
    read = read_prompt("a handfix, cat", tokenizer)
    assert len(read.tokens) == 6 and sentences.token_count(6, 1, 75) in prompt_reading.render_readings({"Prompt": {"it": read}})


def test_one_of_the_variants_is_read_and_a_missing_wildcard_is_said(tmp_path: Path) -> None:
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "wildcards" / "animal.txt").write_text("dog\n", "utf-8")
    settings = Settings(models=tmp_path, data=tmp_path / "data")
    warning, tokens = read_prompts("{red|red} __animal__", "", KNOWN, "5", settings)
    assert warning == "" and messages.ONE_OF_VARIANTS in tokens and "animal" not in tokens and "dog" in tokens
    warning, tokens = read_prompts("__gone__", "", KNOWN, "5", settings)
    assert "no wildcard called “gone”" in warning and not tokens
    assert messages.ONE_OF_VARIANTS not in read_prompts("a red dog", "", KNOWN, "5", settings)[1]
