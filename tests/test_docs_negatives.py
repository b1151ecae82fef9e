"""What docs/negative-prompts.md says of the prompt language and of presets is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.prompt.grammar import parse
from engine.prompt.presets import read_presets
from engine.prompt.tree import Alternation, Break, Group, Lora, Scheduled, walk
from engine.settings import HOUSE

PAGE = (HOUSE / "docs" / "negative-prompts.md").read_text("utf-8")
KINDS = {"(": Group, "[word": Group, "[cat:": Scheduled, "[cat|": Alternation, "BREAK": Break, "<lora": Lora}


def rows() -> list[str]:
    """What stands in the first column of the language's table."""
    table = PAGE.split("## The prompt language")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+`) \|", table, re.MULTILINE)
    return [code.replace("\\|", "|") for cell in cells for code in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("written", rows())
def test_the_table_of_the_language_is_parsed_as_it_says(written: str) -> None:
    kind = next((kind for start, kind in KINDS.items() if written.startswith(start)), None)
    found = [type(part) for part in walk(parse(f"a {written} b").parts)]
    assert kind in found if kind else set(found) == {type(parse("a").parts[0])}


def test_the_example_of_a_preset_is_one(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.+?)```", PAGE, re.DOTALL)
    assert example
    (tmp_path / "presets.toml").write_text(example[1], "utf-8")
    [preset] = read_presets(tmp_path / "presets.toml").presets
    assert preset.apply("a cat", "dog") == ("a cat, at dusk, warm light", "dog, people")
