"""How a prompt was read: weights, places, words, chunks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt.tokenizer import PromptTokenizer, load_tokenizer
from engine.prompt.tokens import PromptReading, chunk_length, read_prompt
from tests.engine.prompt.conftest import CLIP, HOUSE


def words(found: tuple) -> list[str]:
    return [word.text for word in found]


def sizes(reading: PromptReading) -> list[int]:
    return [len(chunk) for chunk in reading.chunks]


def test_tokens_have_weights_and_places(clip: PromptTokenizer) -> None:
    text = r"a \(big\) (cat:1.2), [dog]"
    reading = read_prompt(text, clip)
    found = [(text[t.start : t.end], t.text, round(t.weight, 3)) for t in reading.tokens]
    assert found == [
        ("a", "a", 1.0),
        ("(", "(", 1.0),
        ("big", "big", 1.0),
        (")", ")", 1.0),
        ("cat", "cat", 1.2),
        (",", ",", 1.0),
        ("dog", "dog", 0.909),
    ]
    assert words(reading.words) == ["a", "(", "big", ")", "cat", ",", "dog"]


def test_what_was_lowered(clip: PromptTokenizer) -> None:
    loud, quiet = read_prompt("NO (War)", clip), read_prompt("no (war)", clip)
    assert words(loud.lowered) == ["NO", "War"]
    assert words(quiet.lowered) == []
    assert [t.id for t in loud.tokens] == [t.id for t in quiet.tokens]


def test_words_in_pieces_are_no_strangers_to_a_large_vocabulary(clip: PromptTokenizer) -> None:
    reading = read_prompt("a zeppelinesque cat", clip)
    assert words(reading.in_pieces) == ["zeppelinesque"]
    assert words(reading.unknown) == []


def test_words_that_the_starter_does_not_know(starter: PromptTokenizer) -> None:
    reading = read_prompt("a Cat and a zeppelin, a (gargoyle:1.2) 🐱 on the beach", starter)
    assert words(reading.unknown) == ["zeppelin", "gargoyle", "🐱"]
    assert sizes(reading) == [len(reading.tokens)]
    assert reading.chunk_length == starter.max_length - 2


def test_both_sides_of_a_schedule(clip: PromptTokenizer) -> None:
    assert words(read_prompt("[cat:dog:0.5]", clip, step=0, steps=10).words) == ["cat"]
    assert words(read_prompt("[cat:dog:0.5]", clip, step=5, steps=10).words) == ["dog"]


def test_loras_are_not_words(clip: PromptTokenizer) -> None:
    reading = read_prompt("a cat <lora:Style:0.5>", clip)
    assert words(reading.words) == ["a", "cat"]
    assert [lora.name for lora in reading.loras] == ["Style"]


def test_an_empty_prompt_is_one_empty_chunk(clip: PromptTokenizer) -> None:
    for text in ("", "  ", "()", "<lora:x:1>"):
        assert sizes(read_prompt(text, clip)) == [0]


def test_a_long_prompt_is_cut_into_chunks(clip: PromptTokenizer) -> None:
    reading = read_prompt("word " * 160, clip)
    assert sizes(reading) == [75, 75, 10]
    assert reading.chunk_ends == (75 * 5 - 1, 150 * 5 - 1)


def test_a_chunk_ends_after_a_comma_that_is_near(clip: PromptTokenizer) -> None:
    near, far = "a " * 55 + "," + " b" * 30, "a " * 54 + "," + " b" * 30
    assert sizes(read_prompt(near, clip)) == [56, 30]
    assert sizes(read_prompt(far, clip)) == [75, 10]


def test_a_comma_after_a_full_chunk_starts_the_next(clip: PromptTokenizer) -> None:
    assert sizes(read_prompt("a " * 60 + ", " + "b " * 14 + ", c", clip)) == [75, 2]


def test_break_starts_a_chunk(clip: PromptTokenizer) -> None:
    assert sizes(read_prompt("a BREAK b c", clip)) == [1, 2]
    assert sizes(read_prompt("a BREAK BREAK b", clip)) == [1, 0, 1]
    assert sizes(read_prompt("BREAK a BREAK", clip)) == [0, 1]


def test_an_embedding_is_all_its_vectors_and_stays_whole() -> None:
    tokenizer = load_tokenizer(CLIP, embeddings=(("easyhands", 4), ("One", 1)))
    reading = read_prompt("(EasyHands:1.2), one cat", tokenizer)
    first = reading.tokens[:4]
    assert [t.id for t in first] == [49408, 49409, 49410, 49411]
    assert {(t.start, t.end, t.weight, t.word) for t in first} == {(1, 10, 1.2, 0)}
    assert reading.tokens[5].id == 49412
    assert words(reading.lowered) == words(reading.in_pieces) == []
    assert sizes(read_prompt("a " * 73 + "easyhands b", tokenizer)) == [73, 5]


def test_an_embedding_longer_than_a_chunk_is_cut() -> None:
    tokenizer = load_tokenizer(CLIP, embeddings=(("huge", 100),))
    assert sizes(read_prompt("a huge b", tokenizer)) == [1, 75, 26]


@given(st.text(max_size=400), st.integers(0, 3))
def test_every_text_is_read(text: str, step: int) -> None:
    tokenizer = load_tokenizer(CLIP)
    reading = read_prompt(text * 3, tokenizer, step=step, steps=4)
    assert reading.chunks
    assert all(len(chunk) <= chunk_length(tokenizer) for chunk in reading.chunks)
    assert all(0 <= t.start <= t.end <= len(text) * 3 for t in reading.tokens)
    assert sum(len(word.tokens) for word in reading.words) == len(reading.tokens)
    assert len(reading.chunk_ends) == len(reading.chunks) - 1


@pytest.mark.parametrize(
    "text", ["🐱" * 20_000, "\u200b" * 20_000, "مرحبا " * 3_300, "(" * 20_000, "x" * 20_000, "NO WAR, " * 2_500]
)
def test_twenty_thousand_characters(text: str, clip: PromptTokenizer) -> None:
    reading = read_prompt(text, clip)
    assert sum(sizes(reading)) == len(reading.tokens)
    assert reading.tokens[-1].end == len(text.rstrip())
    assert reading.words


def test_reading_imports_no_torch() -> None:
    code = "import sys, engine.prompt.tokens, engine.prompt.terms; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
