"""Prompts with variants, of which one is drawn by the seed, in the grammar of adieyal/dynamicprompts. No torch.

=======================  ====================================================================================
``{a|b}``                one of both; an option may be empty, and may hold variants itself
``{0.5::a|2::b}``        ``b`` four times as often
``{2$$a|b|c}``           two different ones in any order, with a comma between them
``{2-3$$ and $$a|b|c}``  two or three, with `` and `` between them; ``{-2$$``: up to two, ``{2-$$``: two or more
``__name__``             a line of the file ``name.txt`` in a wildcards folder (:mod:`engine.prompt.wildcards`)
``{2$$__name__}``        two different lines
``\\{ \\} \\__name__``      the signs themselves
=======================  ====================================================================================

Where this differs from there: a brace without a partner is text; a bar inside square brackets belongs to them, as in
``{[a|b]|c}``; a line that begins with ``#`` is left alone; a name inside a tag such as ``<lora:my__name__x:1>`` counts only if
there is such a wildcard; ``~``, ``!`` and ``@``, which choose how that program goes through all prompts, are read and change
nothing. Of backslashes before a brace or a name, each pair is one backslash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from engine.errors import RequestError
from engine.prompt.tree import MAX_DEPTH

MAX_LENGTH = 50_000
"""Characters that a drawn prompt may have."""

MAX_TEMPLATE = 250_000
"""Characters of a template; its many variants may be longer than what is drawn from them."""

_LONGEST_TAG = 500
"""How far before a name the ``<`` of its tag is looked for, in characters."""

_WILDCARD = r"__[~!@]?(?P<name>[^\s_{}|$#()<>:,\\](?:(?!__)[^\n{}|$#()<>:,]){0,200}?)(?P<variables>\([^()\n]*\))?(?<![\s\\])__"
_LEXEMES = re.compile(
    r"(?P<comment>^#[^\n]*)"
    r"|(?P<slashes>\\*+)(?:(?P<brace>[{}])|(?P<wildcard>" + _WILDCARD + r"))"
    r"|(?P<escape>(?:\\\\)+|\\.)|(?P<sign>[\[\]|])|(?P<text>[^\\{}\[\]|_\n]+|.)",
    re.DOTALL | re.MULTILINE,
)
_HEAD = re.compile(
    r"\s*[~!@]?(?:\s*(?:(?P<least>\d{1,4})(?P<to>-)?(?P<most>\d{1,4})?|-(?P<limit>\d{1,4}))\$\$(?:(?P<joiner>[^${}]+)\$\$)?)?\s*"
)
_WEIGHT = re.compile(r"\s*(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})::")
_VARIABLE = re.compile(r"\$\{\s*[A-Za-z_-][\w-]*\s*[}=:]|%\{(?:[^{}]|\{[^{}]*\})*?\$\$", re.ASCII)
"""A variable's use or assignment, or a wrapper, from its sign on. ``$`` and ``%`` before other braces are text."""


@dataclass(frozen=True)
class Wildcard:
    """``__name__`` as written. ``optional``: it is part of a tag and may be text."""

    name: str
    written: str
    optional: bool = False


@dataclass(frozen=True)
class Variant:
    """One of several variants, and how often it is drawn compared to the others."""

    parts: tuple[Node, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Variants:
    """``least`` to ``most`` of ``options`` (None: all of them), with ``joiner`` between them."""

    options: tuple[Variant, ...]
    least: int = 1
    most: int | None = 1
    joiner: str = ","


Node = str | Wildcard | Variants


class WildcardValues(Protocol):
    """The wildcards that there are."""

    def values(self, name: str) -> tuple[Variant, ...]:
        """What may stand for ``__name__``. Raises RequestError, a sentence, if nothing does."""
        ...

    def __contains__(self, name: str) -> bool: ...


def has_variants(text: str) -> bool:
    """Whether several prompts may be drawn from ``text``."""
    return any(not isinstance(node, str) for node in parse_template(text))


def draw(text: str, seed: int, wildcards: WildcardValues, stream: str = "") -> str:
    """The prompt that ``seed`` draws from a template, the same one everywhere; prompts of other ``stream`` are independent.

    Raises RequestError for a wildcard that is missing, empty or leads to itself, whether it is drawn or not.
    """
    nodes = parse_template(text)
    for wildcard in find_wildcards(nodes):
        if not wildcard.optional or wildcard.name in wildcards:
            wildcards.values(wildcard.name)
    return _Draw(Random(f"{seed} {stream}"), wildcards).write(nodes)


def escape(text: str) -> str:
    """A template from which exactly ``text`` is drawn."""

    def write(found: re.Match[str]) -> str:
        return "\\" * (len(found["slashes"]) + 1) + found[0] if _is_syntax(found) else found[0]

    return _LEXEMES.sub(write, text)


def find_wildcards(nodes: Sequence[Node]) -> Iterator[Wildcard]:
    """All wildcards in a template, also those in variants."""
    for node in nodes:
        if isinstance(node, Wildcard):
            yield node
        elif isinstance(node, Variants):
            for option in node.options:
                yield from find_wildcards(option.parts)


@dataclass
class _Draw:
    """Draws one prompt."""

    random: Random
    wildcards: WildcardValues
    _length: int = 0

    def write(self, nodes: Sequence[Node]) -> str:
        """The text of ``nodes``, drawn in order."""
        return "".join([self._write_node(node) for node in nodes])

    def _write_node(self, node: Node) -> str:
        match node:
            case str():
                self._length += len(node) + 1
                if self._length > MAX_LENGTH:
                    raise RequestError(f"The variants come to a prompt of more than {MAX_LENGTH:,} characters. Shorten them.")
                return node
            case Wildcard():
                if node.optional and node.name not in self.wildcards:
                    return node.written
                return self.write(self._choose(self.wildcards.values(node.name), 1)[0].parts)
            case Variants():
                options = self._find_options(node)
                most = len(options) if node.most is None else min(node.most, len(options))
                chosen = self._choose(options, self.random.randint(min(node.least, most), most))
                return node.joiner.join([self.write(option.parts) for option in chosen])

    def _find_options(self, node: Variants) -> tuple[Variant, ...]:
        """The options of a node; the lines of a wildcard if that is the only one."""
        parts = node.options[0].parts if len(node.options) == 1 else ()
        match [part for part in parts if not (isinstance(part, str) and part.isspace())]:
            case [Wildcard(name=name)]:
                return self.wildcards.values(name)
            case _:
                return node.options

    def _choose(self, options: Sequence[Variant], count: int) -> list[Variant]:
        """``count`` different options by their weights, fewer if the others have none."""
        left = [option for option in options if option.weight > 0] or list(options)
        chosen: list[Variant] = []
        while left and len(chosen) < count:
            weights = [option.weight for option in left]
            index = self.random.choices(range(len(left)), weights if any(weights) else None)[0]
            chosen.append(left.pop(index))
        return chosen


@dataclass(frozen=True)
class _Separator:
    """A bar or a square bracket inside of variants."""

    text: str


@dataclass
class _OpenVariants:
    """Open variants: how many to draw, and their content so far."""

    least: int = 1
    most: int | None = 1
    joiner: str = ","
    content: list[Node | _Separator] = field(default_factory=list["Node | _Separator"])


def parse_template(text: str) -> tuple[Node, ...]:
    """The nodes of a template. Raises RequestError for one that is too long, and for variables, which Easel does not know."""
    if len(text) > MAX_TEMPLATE:
        raise RequestError(
            f"A prompt with variants has at most {MAX_TEMPLATE:,} characters; this one has {len(text):,}. Shorten it."
        )
    paired = _pair_braces(text)
    stack = [_OpenVariants()]
    at = 0
    while at < len(text):
        found = _LEXEMES.match(text, at)
        assert found is not None, "any character is a lexeme"
        at = found.end()
        if found["brace"] is None or found.start("brace") not in paired:
            stack[-1].content.append(_read_lexeme(found))
            continue
        stack[-1].content.append("\\" * (len(found["slashes"]) // 2))
        if found["brace"] == "{":
            at = _open(stack, text, found)
        else:
            closed = stack.pop()
            stack[-1].content.append(_close(closed))
    return _join(stack[0].content)


def _is_syntax(found: re.Match[str]) -> bool:
    return found["brace"] is not None or found["wildcard"] is not None


def _is_escaped(found: re.Match[str]) -> bool:
    return len(found["slashes"]) % 2 == 1


def _pair_braces(text: str) -> set[int]:
    """Where the braces are that have a partner and do not lie too deep."""
    waiting: list[int] = []
    paired: set[int] = set()
    for found in _LEXEMES.finditer(text):
        if found["brace"] is None or _is_escaped(found):
            continue
        if found["brace"] == "{":
            waiting.append(found.start("brace"))
        elif waiting:
            start = waiting.pop()
            if len(waiting) < MAX_DEPTH:
                paired.update((start, found.start("brace")))
    return paired


def _read_lexeme(found: re.Match[str]) -> Node | _Separator:
    """The node of a lexeme that is not a paired brace."""
    if found["sign"] is not None:
        return _Separator(found[0])
    if not _is_syntax(found):
        return found[0]
    slashes, written = "\\" * (len(found["slashes"]) // 2), found[0][len(found["slashes"]) :]
    if _is_escaped(found) or found["wildcard"] is None:
        return slashes + written
    if found["variables"] is not None:
        raise RequestError(f"“{written[:100]}” sets a variable, which Easel does not know. Take the part in brackets out.")
    name = found.start("wildcard")
    before = found.string[max(0, name - _LONGEST_TAG) : name].rpartition("<")
    in_tag = bool(before[1]) and re.match(r"[A-Za-z_]+:[^<>]*\Z", before[2]) is not None
    return Wildcard(found["name"].strip(), slashes + written, optional=in_tag)


def _open(stack: list[_OpenVariants], text: str, found: re.Match[str]) -> int:
    """Open variants at a brace, and return where their first option begins."""
    variable = _VARIABLE.match(text, max(0, found.start("brace") - 1))
    if variable is not None:
        written = text[variable.start() :][:40]
        raise RequestError(f"“{written}” is a variable, which Easel does not know. Write its text out, or \\{{ for a brace.")
    head = _HEAD.match(text, found.end())
    assert head is not None, "the head may be empty"
    stack.append(_OpenVariants(*_read_bounds(head), head["joiner"] or ","))
    return head.end()


def _read_bounds(head: re.Match[str]) -> tuple[int, int | None]:
    """The least and the largest number of options."""
    if head["limit"] is not None:
        return 1, int(head["limit"])
    if head["least"] is None:
        return 1, 1
    if head["to"] is None:
        return int(head["least"]), int(head["least"])
    if head["most"] is None:
        return int(head["least"]), None
    least, most = sorted((int(head["least"]), int(head["most"])))
    return least, most


def _close(closed: _OpenVariants) -> Variants:
    options = tuple(_read_option(content) for content in _split_options(closed.content))
    return Variants(options, closed.least, closed.most, closed.joiner)


def _split_options(content: list[Node | _Separator]) -> list[list[Node | _Separator]]:
    """``content`` at its bars, those inside of square brackets excepted."""
    inside = {index for start, end in _pair_brackets(content) for index in range(start, end)}
    options: list[list[Node | _Separator]] = [[]]
    for index, node in enumerate(content):
        if node == _Separator("|") and index not in inside:
            options.append([])
        else:
            options[-1].append(node)
    return options


def _pair_brackets(content: Sequence[Node | _Separator]) -> list[tuple[int, int]]:
    """Where square brackets that have a partner begin and end, without those inside of others."""
    waiting: list[int] = []
    pairs: list[tuple[int, int]] = []
    for index, node in enumerate(content):
        if node == _Separator("["):
            waiting.append(index)
        elif node == _Separator("]") and waiting:
            start = waiting.pop()
            while pairs and pairs[-1][0] > start:
                pairs.pop()
            pairs.append((start, index))
    return pairs


def _read_option(content: list[Node | _Separator]) -> Variant:
    """An option, with its weight taken off. White space before it goes."""
    parts = _join(content)
    first = parts[0] if parts and isinstance(parts[0], str) else ""
    weight = _WEIGHT.match(first)
    rest = parts[1:] if first else parts
    return Variant(_join([first[weight.end() if weight else 0 :].lstrip(), *rest]), float(weight[1]) if weight else 1.0)


def read_option(text: str) -> Variant:
    """A line of a wildcard file: a template, with its weight before ``::``."""
    return _read_option(list(parse_template(text)))


def _join(content: Sequence[Node | _Separator]) -> tuple[Node, ...]:
    """Signs become text, and texts that touch become one."""
    parts = (node.text if isinstance(node, _Separator) else node for node in content)
    joined: list[Node] = []
    texts: list[str] = []
    for part in (*parts, None):
        if isinstance(part, str):
            texts.append(part)
            continue
        joined += [text for text in ("".join(texts),) if text]
        joined += [] if part is None else [part]
        texts.clear()
    return tuple(joined)
