"""Every name and every prompt as text that UTF-8 holds, and names back to their bytes."""

from __future__ import annotations

import json
import os

from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import EaselError
from engine.safe_text import make_encodable, make_json_encodable, name_to_text, text_to_name

ANY_TEXT = st.text(st.characters(exclude_categories=()))
SPECIAL = st.text(st.sampled_from("a\ud800\udbff\udc80\udcff\udfff\U0010f000\U0010f7ff\U0010f800\U0010f801\0\u202e😀"))


@given(st.binary())
@example("猫".encode("gbk"))
@example("猫".encode("shift-jis"))
def test_the_bytes_of_a_name_survive(raw: bytes) -> None:
    text = name_to_text(os.fsdecode(raw))
    text.encode()
    assert os.fsencode(text_to_name(text)) == raw


@given(ANY_TEXT | SPECIAL)
def test_any_name_survives_and_is_not_longer_than_it_must_be(name: str) -> None:
    text = name_to_text(name)
    text.encode()
    assert text_to_name(text) == name and len(text) <= 2 * len(name)
    assert text_to_name(name_to_text(text)) == text


@given(ANY_TEXT | SPECIAL)
def test_sentences_and_prompts_lose_lone_surrogates_alone(text: str) -> None:
    safe = make_encodable(text)
    safe.encode()
    assert len(safe) == len(text)
    assert all(new == old or (new == "\ufffd" and "\ud800" <= old <= "\udfff") for new, old in zip(safe, text, strict=True))
    str(EaselError(text)).encode()


@given(ANY_TEXT | SPECIAL, st.booleans())
@example('\\ud83d and "\\\\', True)
def test_json_is_read_as_before_but_for_lone_surrogates(text: str, ascii_only: bool) -> None:
    body = json.dumps([text], ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    (read,) = json.loads(make_json_encodable(body))
    (pairs_joined,) = json.loads(body)
    assert read == make_encodable(pairs_joined)


@given(st.binary() | st.text().map(lambda text: json.dumps(text).encode("utf-16")))
def test_what_is_no_json_stays_what_it_is_or_becomes_utf_8(body: bytes) -> None:
    made = make_json_encodable(body)
    assert made == body or made.decode("utf-8", "strict") is not None
