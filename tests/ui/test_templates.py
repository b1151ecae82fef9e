"""Every template renders whatever a person typed as text: each macro is called with hostile text in every variable."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from jinja2.runtime import Macro
from markupsafe import Markup

from ui import templates
from ui.templates import ENVIRONMENT, ROOT, Macros, load_template
from ui.text_direction import close_isolates, isolate

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)> x=1 {{ 1 }} &amp;"
HARMLESS = "qqq"
TURNED = [
    "a\u202egpj.exe", "\u2067a", "a\u2069\u2069\u202eb", "\u2066\u2068\u2069a", "\u202d\u202c\u202b", "שלום.png", "مرحبا 12",
    "a\u200fb", "a\u061cb",
    "the “\u202egpj\u2067” and “b\u2069”", "”\u202e“",
]  # fmt: skip
"""Texts whose direction would reach beyond them."""

NAMES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.html"))


class Everything:
    """Stands in for any variable: all its attributes and items are again such values, and as text it is ``text``."""

    def __init__(self, text: str, true: bool) -> None:
        self.text, self.true = text, true

    def __getattr__(self, name: str) -> Everything:
        if name.startswith("__"):
            raise AttributeError(name)
        return Everything(self.text, self.true)

    def __getitem__(self, key: str | int) -> Everything:
        return Everything(self.text, self.true)

    def __iter__(self) -> Iterator[Everything]:
        return iter([Everything(self.text, self.true)] if self.true else [])

    def __len__(self) -> int:
        return int(self.true)

    def __str__(self) -> str:
        return self.text

    def __add__(self, after: str) -> str:
        return self.text + after

    def __radd__(self, before: str) -> str:
        return before + self.text


class Structure(HTMLParser):
    """Tags and the names of their attributes, in order; ``text`` is what a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.text = ""
        self.feed(str(html))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


class Isolation(HTMLParser):
    """The texts of a page: those in ``<bdi>``, innermost, those elsewhere, and the values of attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.isolated: list[str] = []
        self.others: list[str] = []
        self.values: list[str] = []
        self._depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._depth += tag == "bdi"
        self.values += [value or "" for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "bdi"

    def handle_data(self, data: str) -> None:
        (self.isolated if self._depth else self.others).append(data)


def macros() -> Iterator[tuple[str, str]]:
    for name in NAMES:
        module = vars(load_template(name).module)
        yield from ((name, macro) for macro, value in sorted(module.items()) if isinstance(value, Macro))


def render(name: str, macro: str, text: str, true: bool) -> str:
    arguments = vars(load_template(name).module)[macro].arguments
    return Macros(name).render(macro, **{each: Everything(text, true) for each in arguments})


@pytest.mark.parametrize("true", [True, False])
@pytest.mark.parametrize(("name", "macro"), list(macros()))
def test_hostile_text_changes_no_tag_and_no_attribute(name: str, macro: str, true: bool) -> None:
    hostile, harmless = (Structure(render(name, macro, text, true)) for text in (HOSTILE, HARMLESS))
    assert hostile.found == harmless.found
    assert hostile.text == harmless.text.replace(HARMLESS, HOSTILE)


@pytest.mark.parametrize(("name", "macro"), list(macros()))
def test_no_text_turns_the_page_around_it(name: str, macro: str) -> None:
    """Wherever a template shows a name, a prompt or a sentence. In attributes, which are paragraphs of their own, it stays."""
    plain = Isolation(render(name, macro, HARMLESS, True))
    for text in TURNED:
        shown = Isolation(render(name, macro, text, True))
        assert not [data for data in shown.others if isolate(data) != data]
        assert all(close_isolates(data) == data for data in shown.isolated)
        assert bool(shown.isolated) == any(HARMLESS in data for data in plain.others)
        assert shown.values == [value.replace(HARMLESS, text) for value in plain.values]


def test_a_name_in_a_sentence_turns_only_itself() -> None:
    said = templates.render_notice("“a\u202egpj.exe” cannot be read. Choose another.")
    assert "“<bdi>a\u202egpj.exe</bdi>” cannot be read." in said


def test_every_template_is_a_file_of_macros() -> None:
    assert NAMES
    for name in NAMES:
        assert any(each == name for each, _ in macros()) and str(load_template(name).render()) == ""


def test_a_variable_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        ENVIRONMENT.from_string("{{ missing }}").render()


def test_line_breaks_of_a_template_do_not_reach_the_page() -> None:
    source = '<p class="a"\n   id="b">\n  {{ text }}\n  <b>\n  two\n  words</b>\n</p>\n'
    assert ENVIRONMENT.from_string(source).render(text="one\n two") == '<p class="a" id="b">one\n two<b>two words</b></p>'


def test_notices_are_boxes_one_after_the_other() -> None:
    said = templates.render_notices(["one", "", "<two>"], "trouble")
    assert isinstance(said, Markup) and said.count('role="alert"') == 2 and "&lt;two&gt;" in said
    assert templates.render_notice("") == ""


def test_nothing_is_escaped_by_hand() -> None:
    sources = {path: path.read_text("utf-8") for path in Path(templates.ROOT).rglob("*.py")}
    assert [path.name for path, source in sources.items() if "import escape" in source or "html.escape" in source] == []
    assert [name for name in NAMES if "|safe" in (ROOT / name).read_text("utf-8").replace(" ", "")] == []
