"""How the prompt was read, and what the starter can draw, as HTML. With the starter's real vocabulary."""

from __future__ import annotations

from pathlib import Path

from engine.prompt.tokenizer import load_tokenizer
from engine.prompt.tokens import PromptReading, read_prompt
from engine.settings import HOUSE, Settings
from ui import reading
from ui.shelf import Shelf

STARTER = HOUSE / "models" / "starter"
KNOWN = Shelf(Settings()).find("starter").repertoire


def read(prompt: str) -> PromptReading:
    return read_prompt(prompt, load_tokenizer(STARTER / "tokenizer"))


def test_words_that_the_starter_was_never_taught_are_said_with_the_way_out() -> None:
    said = reading.summary(read("a cat and a zebra & a Telescope"), KNOWN, Path("/my/models"))
    assert "zebra" in said and "Telescope" in said and "cat" not in said.split("It draws")[0]
    assert "/my/models" in said


def test_a_prompt_that_the_starter_knows_needs_no_words() -> None:
    assert reading.summary(read("a cat on the beach"), KNOWN, Path("models")) == ""


def test_large_checkpoints_are_not_asked_what_they_know() -> None:
    assert reading.summary(read("a zebra"), None, Path("models")) == ""


def test_tokens_are_shown_with_weights_and_strangers() -> None:
    shown = reading.tokens(read("a (red:1.3) zebra <b>"))
    assert 'data-weight="1.30">red<' in shown and 'class="unknown"' in shown and "<b>" not in shown


def test_the_line_between_two_parts_is_drawn() -> None:
    assert reading.tokens(read("cat " * 40)).count("<hr>") == 1


def test_every_example_is_something_that_the_starter_can_draw() -> None:
    assert not [word.text for prompt in reading.EXAMPLES for word in read(prompt).unknown]
    assert all(f'<button type="button">{prompt}</button>' in reading.chips(KNOWN) for prompt in reading.EXAMPLES)


def test_the_repertoire_is_shown_for_the_starter_alone() -> None:
    assert "penguin" in reading.can_draw(KNOWN) and "beach" in reading.can_draw(KNOWN)
    assert reading.can_draw(None) == reading.chips(None) == ""
