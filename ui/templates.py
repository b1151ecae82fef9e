"""The environment in which Easel's HTML is rendered: Jinja2, everything escaped, a missing variable is an error.

A template is a file of macros beside the module that uses it. Line breaks and indentation in a template are for its readers:
they do not reach the page, where white space between inline elements would show. What stands between tags is isolated where it
could turn the text around it (:mod:`ui.text_direction`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from jinja2.ext import Extension
from markupsafe import Markup

from ui import messages
from ui.text_direction import isolate

ROOT = Path(__file__).parent
"""Templates are named by their path inside this folder, with forward slashes."""

_BETWEEN_TAGS = re.compile(r"(?<=[>}])\s*\n\s*|\s*\n\s*(?=[<{])|^\s+|\s+$")
_BETWEEN_WORDS = re.compile(r"\s*\n\s*")
_CODE = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.S)


class _LineBreaks(Extension):
    """Takes the line breaks out of a template: removed between tags, replaced by one space inside a tag or text."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The template as it is compiled."""
        return _BETWEEN_WORDS.sub(" ", _BETWEEN_TAGS.sub("", source))


class _Direction(Extension):
    """Isolates the direction of every value that stands between tags; one in an attribute stays as it is."""

    priority = _LineBreaks.priority + 1

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The template as it is compiled."""
        in_tag, written = False, list[str]()
        for part in _CODE.split(source):
            if part.startswith("{{"):
                written.append(part if in_tag else f"{{{{ isolate({part[2:-2]}) }}}}")
                continue
            if not part.startswith(("{%", "{#")) and (marks := re.findall("[<>]", part)):
                in_tag = marks[-1] == "<"
            written.append(part)
        return "".join(written)


ENVIRONMENT = Environment(
    loader=FileSystemLoader(ROOT),
    autoescape=True,
    undefined=StrictUndefined,
    extensions=[_LineBreaks, _Direction],
    auto_reload=False,
)
_GLOBALS: dict[str, Any] = ENVIRONMENT.globals
"""What every template knows by name."""
_GLOBALS.update(messages=messages, isolate=isolate)


def load_template(name: str) -> Template:
    """A template by its name, compiled once."""
    return ENVIRONMENT.get_template(name)


class Macros:
    """The macros of one template file, which is compiled once."""

    def __init__(self, name: str) -> None:
        self._macros = vars(load_template(name).module)

    def render(self, macro: str, /, **values: Any) -> Markup:
        """``macro`` with its arguments by name. It is markup, which another macro takes as it is.

        Raises jinja2.UndefinedError for a variable that the template does not know.
        """
        return self._macros[macro](**values)


_SHARED = Macros("common/macros.html")


def render_notice(sentence: str, kind: str = "note") -> Markup:
    """A sentence in a box of its own, nothing for "". ``kind`` is "note" or "trouble"."""
    return _SHARED.render("notice", sentence=sentence, kind=kind)


def render_notices(sentences: Iterable[str], kind: str = "note") -> Markup:
    """A box for each sentence."""
    return join(render_notice(sentence, kind) for sentence in sentences)


def join(parts: Iterable[Markup]) -> Markup:
    """Markup one after the other."""
    return Markup("").join(parts)
