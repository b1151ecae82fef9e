"""``AND``: how a prompt is split into parts with weights, as AUTOMATIC1111's program does it."""

from __future__ import annotations

import random
import re

import pytest

from engine.prompt.composition import is_composed, split_prompt

# The two expressions of get_multicond_prompt_list in
# https://github.com/AUTOMATIC1111/stable-diffusion-webui/blob/v1.10.1/modules/prompt_parser.py
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"^((?:\s|.)*?)(?:\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+)))?\s*$")


def by_referee(text: str) -> list[tuple[str, float]]:
    found = [_WEIGHT.search(part) for part in _AND.split(text)]
    return [(match[1].strip(), float(match[2]) if match[2] else 1.0) for match in found if match]


def split(text: str) -> list[tuple[str, float]]:
    return [(part.text.strip(), part.weight) for part in split_prompt(text)]


def test_parts_and_weights_are_those_of_the_other_program() -> None:
    pieces = [
        "a cat",
        " AND ",
        "\nAND\t",
        ":0.5",
        " : -1.5 ",
        ":+2",
        ":.25",
        ":3.",
        "(dog:1.2)",
        "[a:b:0.3]",
        "BAND",
        "sandAND",
        ":",
        "1",
    ]
    draw = random.Random(1)
    for _ in range(400):
        text = "a AND " + "".join(draw.choices(pieces, k=draw.randint(1, 8)))
        wanted = by_referee(text)
        assert split(text) == ([part for part in wanted if part[1] != 0] or wanted[:1]), text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("at 12:30", [("at 12:30", 1.0)]),
        ("a\n# b AND c\nd AND e", [("a\n# b AND c\nd", 1.0), ("e", 1.0)]),
        ("a AND b:0.5 <lora:this AND that:0.8>", [("a", 1.0), ("b <lora:this AND that:0.8>", 0.5)]),
        ("a AND b <lora:x:0.8>", [("a", 1.0), ("b <lora:x:0.8>", 1.0)]),
        (r"a AND b\:0.5", [("a", 1.0), (r"b\:0.5", 1.0)]),
        ("a AND b:0", [("a", 1.0)]),
        ("a:0 AND b:0", [("a", 0.0)]),
        ("a AND b:1000", [("a", 1.0), ("b", 100.0)]),
        ("[a AND b:0.5]", [("[a", 1.0), ("b:0.5]", 1.0)]),
    ],
)
def test_what_is_a_part(text: str, parts: list[tuple[str, float]]) -> None:
    assert split(text) == parts


def test_a_prompt_is_composed_unless_its_parts_come_to_one_of_weight_one() -> None:
    assert not is_composed("a cat") and not is_composed("a AND b:0") and not is_composed("at 12:30")
    assert is_composed("a AND b") and is_composed("a:0.5 AND b:0")
