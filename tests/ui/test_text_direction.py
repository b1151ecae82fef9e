"""The direction of a text stays its own."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from ui.text_direction import close_isolates, isolate


def test_plain_text_stays_as_it_is() -> None:
    for text in ("a cat, 猫, “ü” – 12 😀", "", 'é "x" <b>'):
        assert isolate(text) is text
    assert isolate(Markup("<b>\u202e</b>")) == "<b>\u202e</b>" and isolate(3) == 3 and isolate(None) is None


@given(st.text(st.sampled_from("\u2066\u2067\u2068\u2069\u202eab")))
def test_isolates_are_balanced_and_nothing_else_is_changed(text: str) -> None:
    closed = close_isolates(text)
    assert re.sub("[\u2066-\u2069]", "", closed) == re.sub("[\u2066-\u2069]", "", text)
    depth = 0
    for character in closed:
        depth += (character in "\u2066\u2067\u2068") - (character == "\u2069")
        assert depth >= 0
    assert depth == 0 and close_isolates(closed) == closed
