"""The prompt language: what it means, and that no text breaks it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt.grammar import parse
from engine.prompt.tree import MAX_WEIGHT, ROUND, SQUARE, Break, Group, Lora, Prompt, Scheduled, Span, Text

WHOLE = ["BREAK", "<lora:", "lora:x:0.5>", ":1.2)", ":0.5]", "::3]", "\\(", "\n", "é", "🐱", "\u200b", "שלום"]
SIGNS = [*"()[]:|<>\\ ,aB.0159-", *WHOLE]
PROMPTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(SIGNS), max_size=40).map("".join))


def said(text: str, step: int = 0, steps: int = 10) -> list[tuple[str, float]]:
    """What is said in a step; a break is written as ("BREAK", 0)."""
    spans = parse(text).at_step(step, steps)
    return [("BREAK", 0) if isinstance(s, Break) else (s.text, pytest.approx(s.weight)) for s in spans]


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("", []),
        ("a cat", [("a cat", 1)]),
        ("a (cat)", [("a ", 1), ("cat", 1.1)]),
        ("((cat))", [("cat", 1.21)]),
        ("[cat]", [("cat", 1 / 1.1)]),
        ("[[cat]]", [("cat", 1 / 1.21)]),
        ("(cat:1.3)", [("cat", 1.3)]),
        ("(cat: 1.3 )", [("cat", 1.3)]),
        ("(cat:-.5)", [("cat", -0.5)]),
        ("(a (b:2):1.5)", [("a ", 1.5), ("b", 3)]),
        ("([(cat)])", [("cat", 1.1)]),
        ("(a)(b)", [("ab", 1.1)]),
        (r"a \(b\) \[c\] \\", [("a (b) [c] \\", 1)]),
        (r"c:\new", [(r"c:\new", 1)]),
        ("(a:b)", [("a:b", 1.1)]),
        (r"(a\:1.2)", [("a:1.2", 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a:1e3)", [("a:1e3", 1.1)]),
        ("a BREAK b", [("a", 1), ("BREAK", 0), ("b", 1)]),
        ("(a BREAK b:2)", [("a", 2), ("BREAK", 0), ("b", 2)]),
        ("BREAKFAST break", [("BREAKFAST break", 1)]),
        ("a <lora:x y:0.5> b", [("a  b", 1)]),
        ("a <b> c", [("a <b> c", 1)]),
    ],
)
def test_weights_and_signs(written: str, means: list[tuple[str, float]]) -> None:
    assert said(written) == means


@pytest.mark.parametrize("written", ["(cat", "cat)", "[cat", "cat]", "((cat", ")cat(", "]["])
def test_a_bracket_without_a_partner_is_text(written: str) -> None:
    assert said(written) == [(written, 1)]


def test_brackets_that_cross_take_the_nearest_partner() -> None:
    assert said("([a)b]") == [("[a", 1.1), ("b]", 1)]


@pytest.mark.parametrize(
    ("written", "turns"),
    [
        ("[a:b:0.5]", [(5, "a"), (10, "b")]),
        ("[b:0.3]", [(3, ""), (10, "b")]),
        ("[a::4]", [(4, "a"), (10, "")]),
        ("[a:b: 4 ]", [(4, "a"), (10, "b")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:1]", [(1, "a"), (10, "b")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:99]", [(10, "a")]),
        ("x[a:[c:d:6]:2]y", [(2, "xay"), (6, "xcy"), (10, "xdy")]),
        ("[a:b:c:2]", [(10, "a:b:c:2")]),
        ("[a:b]", [(10, "a:b")]),
        ("[sn|d]ow", [(n, "snow" if n % 2 else "dow") for n in range(1, 11)]),
        ("[a|a]", [(10, "a")]),
        ("[a|b:5]", [(10, "a|b:5")]),
        ("[a:b:-1]", [(10, "b")]),
        ("[a:b:+3]", [(3, "a"), (10, "b")]),
        ("a|b", [(10, "a|b")]),
    ],
)
def test_schedules_of_ten_steps(written: str, turns: list[tuple[int, str]]) -> None:
    found = parse(written).schedule(10)
    assert [(until, "".join(s.text for s in spans if isinstance(s, Span))) for until, spans in found] == turns


def test_a_schedule_says_what_each_step_says() -> None:
    prompt = parse("[a:b:0.35] (c [d|e|] [f::4]:1.2) BREAK [g|h]")
    turns = prompt.schedule(7)
    for step in range(7):
        assert next(spans for until, spans in turns if step < until) == prompt.at_step(step, 7)


@pytest.mark.parametrize(
    ("tag", "lora"),
    [
        ("<lora:Some Style (v2)>", Lora("Some Style (v2)")),
        ("<lora:x:0.8>", Lora("x", 0.8)),
        ("<lora:x:-1>", Lora("x", -1)),
        ("<lora:x:0.8:0.3>", Lora("x", 0.8, 0.3)),
        ("<lora:x:te=0.8:unet=0>", Lora("x", 0.8, 0.0)),
        ("<lora:x:0.7:lbw=MIDD>", Lora("x", 0.7, None, "MIDD")),
        ("<lora:x:1:OUTALL>", Lora("x", 1, None, "OUTALL")),
        ("<lora:x:1:0.5:outd>", Lora("x", 1, 0.5, "outd")),
        ("<lora:x:1:1,0,0.5,0,0,0,1,1,0,0,0,1>", Lora("x", 1, None, "1,0,0.5,0,0,0,1,1,0,0,0,1")),
        ("<lora:x:0.7:start=3:stop=12>", Lora("x", 0.7, unused=("start=3", "stop=12"))),
        ("<lyco:x:0.8>", Lora("x", 0.8)),
    ],
)
def test_loras(tag: str, lora: Lora) -> None:
    assert parse(f"a {tag} ({tag}:1.2)").loras == (lora, lora)
    assert said(f"a{tag}") == [("a", 1)]


@pytest.mark.parametrize("tag", ["<lora:x", "<lora>", r"\<lora:x:1>", "<3", "<:>"])
def test_half_a_tag_is_text(tag: str) -> None:
    assert parse(tag).loras == ()
    assert said(tag) == [(tag.lstrip("\\"), 1)]


@pytest.mark.parametrize(
    "tag", ["<lora:>", "<lora:x:heavy>", "<lora:x:>", "<lora:x:1:lbw=NOSUCH>", "<hypernet:Style (v2):0.5>", "<segment:face>"]
)
def test_a_tag_of_another_kind_says_nothing(tag: str) -> None:
    prompt = parse(f"a cat {tag} (on a mat {tag}:1.2)")
    assert prompt.loras == () and prompt.unknown_tags == (tag, tag)
    assert "".join(text for text, _ in said(f"a {tag}cat")) == "a cat"
    assert parse(str(prompt)) == prompt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# a note\na cat", "a cat"), ("a cat\n#a note\non a mat", "a cat\non a mat"), ("a cat\n# the end", "a cat\n"),
        ("#", ""), ("a cat # 1", "a cat # 1"), (r"\# 1 cat", "# 1 cat"), ("(a\n# :note)\ncat:1.2)", "a\ncat"),
    ],
)  # fmt: skip
def test_lines_of_comment_say_nothing(text: str, expected: str) -> None:
    assert "".join(each for each, _ in said(text)) == expected
    assert parse(str(parse(text))) == parse(text)


def test_sources_point_at_the_prompt_as_written() -> None:
    written = r"a \(b\) (c:1.2)[d:e:0.5] BREAK  f"
    for step in (0, 9):
        for span in parse(written).at_step(step, 10):
            if isinstance(span, Span):
                assert "".join(written[place] for place in span.sources) == span.text


@given(PROMPTS)
def test_what_was_parsed_is_printed_and_parsed_again(text: str) -> None:
    prompt = parse(text)
    assert parse(str(prompt)) == prompt
    assert parse(str(prompt)).loras == prompt.loras


@given(PROMPTS, st.integers(1, 12))
def test_every_step_of_any_text_can_be_said(text: str, steps: int) -> None:
    turns = parse(text).schedule(steps)
    assert turns[-1][0] == steps
    for _, spans in turns:
        for span in spans:
            if isinstance(span, Span):
                assert math.isfinite(span.weight) and abs(span.weight) <= MAX_WEIGHT
                assert "".join(text[place] for place in span.sources) == span.text


PARTS = st.recursive(
    st.one_of(st.text(min_size=1, max_size=8).map(Text), st.builds(Lora, st.text("ab ()[]", min_size=1), st.just(0.5))),
    lambda inner: st.one_of(
        st.builds(Group, st.lists(inner, max_size=3).map(tuple), st.sampled_from([ROUND, SQUARE, 1.3, -2.0, 0.000001])),
        st.builds(Scheduled, st.just(()), st.lists(inner, max_size=3).map(tuple), st.sampled_from([0.25, 1.0]), st.just(True)),
    ),
    max_leaves=8,
)


@given(st.lists(PARTS, max_size=4).map(tuple))
def test_any_tree_means_the_same_when_printed(parts: tuple) -> None:
    prompt = Prompt(parts)
    printed = parse(str(prompt))
    assert printed.loras == prompt.loras
    for step in (0, 3):
        assert _letters(printed, step) == _letters(prompt, step)


def _letters(prompt: Prompt, step: int) -> list[tuple[str, float]]:
    """What is said letter by letter; white space and breaks are not counted, since a BREAK takes the space around it."""
    spans = (span for span in prompt.at_step(step, 4) if isinstance(span, Span))
    letters = [(letter, span.weight) for span in spans for letter in span.text]
    return [(letter, weight) for letter, weight in letters if letter not in "BREAK" and not letter.isspace()]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20_000,
        ")" * 20_000,
        "(" * 10_000 + "cat" + ")" * 10_000,
        "[" * 10_000 + "cat" + "]" * 10_000,
        "([)]" * 5_000,
        "[a|" * 6_000 + "]" * 2_000,
        "[:" * 9_000 + "0.5]" * 500,
        "<lora:" * 3_333,
        "\\" * 20_001,
        " " * 20_000,
        "BREAK " * 3_333,
        "🐱" * 20_000,
        "\u200b\u202e" * 10_000,
        "مرحبا (שלום:1.2) " * 1_000,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_twenty_thousand_signs(text: str) -> None:
    prompt = parse(text)
    assert parse(str(prompt)) == prompt
    assert hash(prompt) == hash(parse(text))
    assert len(prompt.schedule(3)) >= 1
