"""The terms of a prompt: found, made to say nothing, taken out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt.grammar import parse
from engine.prompt.terms import find_terms, neutralise, remove_terms
from engine.prompt.tokenizer import PromptTokenizer
from engine.prompt.tokens import read_prompt

NEGATIVE = "(worst quality, low quality:1.4), Blurry , [bad:worse:0.5] hands BREAK text,, <lora:x:1>"


def test_terms_and_where_they_stand() -> None:
    found = find_terms(NEGATIVE)
    assert [term.text for term in found] == ["worst quality", "low quality", "Blurry", "bad", "worse", "hands", "text"]
    assert [NEGATIVE[start:end] for start, end in (term.place for term in found)] == [term.text for term in found]


def test_no_terms() -> None:
    assert find_terms("") == find_terms(", ,") == find_terms("<lora:x:1>") == ()


def test_a_neutral_term_moves_nothing_else(clip: PromptTokenizer) -> None:
    text = "blurry, (zeppelinesque thing:1.3), dog" + ", x" * 60
    before = read_prompt(text, clip)
    after = neutralise(before, [find_terms(text)[1].place])
    changed = [(a, b) for a, b in zip(before.tokens, after.tokens, strict=True) if a != b]
    assert [len(chunk) for chunk in after.chunks] == [len(chunk) for chunk in before.chunks]
    assert {a.word for a, _ in changed} == {2, 3}
    assert {b.id for _, b in changed} == {clip.comma_id}
    assert all((a.weight, a.start, a.end) == (b.weight, b.start, b.end) for a, b in changed)


def test_nothing_to_neutralise_is_the_same_reading(clip: PromptTokenizer) -> None:
    reading = read_prompt("dog, cat", clip)
    assert neutralise(reading, []) is reading


@pytest.mark.parametrize(
    ("text", "gone", "left"),
    [
        ("a, b, c", [1], "a, c"),
        ("a, b, c", [0], "b, c"),
        ("a, b, c", [2], "a, b"),
        ("a, b, c", [0, 1, 2], ""),
        ("(a:1.2), b", [0], "b"),
        ("(a, b:1.2), c", [0], "(b:1.2), c"),
        ("(a, b:1.2), c", [1], "(a:1.2), c"),
        ("(a, b:1.2), c", [0, 1], "c"),
        ("x, ((a)), [b]", [1, 2], "x"),
        (r"\(a\), b", [1], r"\(a\)"),
    ],
)
def test_terms_taken_out(text: str, gone: list[int], left: str) -> None:
    found = find_terms(text)
    assert remove_terms(text, [found[index].place for index in gone]) == left


@given(st.lists(st.sampled_from(["a", "b c", "(d:1.2)", "[e]", "((f))", "g's"]), min_size=1, max_size=6), st.integers(0, 5))
def test_taking_out_one_leaves_the_others(written: list[str], index: int) -> None:
    text = ", ".join(written)
    found = find_terms(text)
    gone = found[index % len(found)]
    left = [term.text for term in found if term is not gone]
    assert [term.text for term in find_terms(remove_terms(text, [gone.place]))] == left


@given(st.text(max_size=80))
def test_any_text_has_terms(text: str) -> None:
    for term in find_terms(text):
        start, end = term.place
        assert 0 <= start < end <= len(text)
        parse(remove_terms(text, [term.place]))
