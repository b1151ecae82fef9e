"""What the starter can draw, as HTML. With the starter's real vocabulary."""

from __future__ import annotations

import dataclasses

from engine.prompt.tokenizer import load_tokenizer
from engine.prompt.tokens import PromptReading, read_prompt
from engine.settings import HOUSE, Settings
from ui.common.checkpoint_options import CheckpointOptions, Repertoire
from ui.tabs.text_to_image import view
from ui.words.view import render_chips

KNOWN = CheckpointOptions(Settings()).find("starter").repertoire


def read(prompt: str) -> PromptReading:
    return read_prompt(prompt, load_tokenizer(HOUSE / "models" / "starter" / "tokenizer"))


def test_every_example_is_something_that_the_starter_can_draw() -> None:
    assert not [word.text for prompt in view.EXAMPLES for word in read(prompt).unknown]
    assert all(f'<button type="button">{prompt}</button>' in view.render_examples(KNOWN) for prompt in view.EXAMPLES)


def test_examples_are_shown_for_the_starter_alone() -> None:
    assert view.EXAMPLES[0] in view.render_examples(KNOWN) and view.render_examples(None) == ""


def test_chips_are_shown_for_the_starter_alone_and_styles_where_there_are_any() -> None:
    told = Repertoire(things=("cat",), backgrounds=("beach",), colours=("red",), styles=("oil painting",))
    assert 'data-insert="oil painting"' in render_chips(told) and "Styles" in render_chips(told)
    assert "Styles" not in render_chips(dataclasses.replace(told, styles=()))
    assert render_chips(None) == ""
