"""Assembles prompts from a graph: the encoders upstream of one side of a sampler, and the text nodes upstream of those.

Names of inputs: ComfyUI ``nodes.py``, ``comfy_extras/nodes_string.py``; ComfyUI-Custom-Scripts (StringFunction, ShowText); WAS
Node Suite (Text Concatenate); KJNodes (JoinStrings); Easy-Use; Efficiency Nodes; SDXL Prompt Styler; Impact Pack
(ImpactWildcardProcessor).
"""

from __future__ import annotations

import re

from engine.records.foreign.comfyui.graph import Arrow, Graph, Node
from engine.records.foreign.values import text, whole

_AWAY = (
    "clip", "vae", "control_net", "image", "model", "pixels", "mask", "latent", "clip_vision_output", "style_model",
    "latent_image",
    "samples", "images", "optional_controlnet_stack", "cnet_stack", "lora_stack", "optional_lora_stack",
)  # fmt: skip
"""Inputs that do not lead to a prompt's text."""

_WORDS = re.compile(
    r"(?:text|string|str|prompt|value|words?|t5xxl|clip_[lg]|wildcard|caption|prefix|suffix|prepend|append|input|content|tags?|part"
    r"|positive|negative|opt_|default|line|concat)[a-z0-9_ ]*|[a-h]\d?",
    re.IGNORECASE,
)
"""Names of inputs that hold text. Options of text nodes, such as "mode" and "action", are not matched."""

_DELIMITERS = ("delimiter", "separator", "join_with", "sep", "delim")
_FINAL = ("populated_text", "text_0", "result", "processed_text", "output_text")
"""Where a node stores the text that it produced, so that its inputs do not matter."""

_SELECTS = ("select", "input", "index", "selected", "selection")
_MOST_DEPTH = 60
_MOST_TEXTS = 2_000
"""The most text nodes that are examined for one image."""


class Words:
    """Assembles the prompts of one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._left = _MOST_TEXTS
        self.walked: set[str] = set()

    def read(self, start: str, side: str) -> str:
        """All texts upstream of the ``positive`` or ``negative`` side of a sampler, in order, each once."""
        node = self._graph.find(start, side)
        if node is None and side == "positive":
            side, node = "conditioning", self._graph.find(start, "conditioning")
        if node is None:
            return ""
        if side not in node.arrows:
            found = node.inputs.text(side)
            return (found or "").strip()
        return "\n".join(dict.fromkeys(self._read_conditioning(node.arrows[side], "positive" if side != "negative" else side)))

    def _read_conditioning(self, arrow: Arrow, side: str) -> list[str]:
        """The texts of all encoders at or upstream of ``arrow``."""
        waiting, seen = [arrow], set[Arrow]()
        found: list[str] = []
        while waiting:
            arrow = waiting.pop()
            node = self._graph.nodes[arrow[0]]
            if arrow in seen or "ZeroOut" in node.name:
                self.walked.add(arrow[0])
                continue
            seen.add(arrow)
            self.walked.add(arrow[0])
            encodes = [name for name in node.inputs.names() if self._is_text(node, name, side)]
            if encodes or _has_final(node):
                found += [part for part in self._read_encoder(node, encodes, arrow[1], side) if part]
            away = {*_AWAY, *encodes, "negative" if side == "positive" else "positive"}
            waiting += reversed([source for name, source in node.arrows.items() if name not in away])
        return found

    def _is_text(self, node: Node, name: str, side: str) -> bool:
        """Whether an input holds text for this side: its own text, or a connection to a text node."""
        if name in _AWAY or not _WORDS.fullmatch(name) or _other_side(side) in name.casefold():
            return False
        arrow = node.arrows.get(name)
        if arrow is None:
            return isinstance(node.inputs.look(name), str)
        return name not in ("positive", "negative") or bool({"text", "prompt", "string", "value"} & {*self._source(arrow)})

    def _source(self, arrow: Arrow) -> list[str]:
        """The input names of the node at ``arrow``; none for an encoder."""
        node = self._graph.nodes[arrow[0]]
        return [] if "clip" in node.inputs else list(node.inputs.names())

    def _read_encoder(self, node: Node, names: list[str], slot: int, side: str) -> list[str]:
        final = _take_final(node)
        if final is not None:
            return [final]
        return [self._read_input(node, name, side, 0).strip() for name in names]

    def _read_input(self, node: Node, name: str, side: str, depth: int) -> str:
        arrow = node.arrows.get(name)
        if arrow is None:
            return node.inputs.text(name) or ""
        return self._read_text(arrow, side, depth + 1)

    def _read_text(self, arrow: Arrow, side: str, depth: int) -> str:
        """The output of a text node."""
        self._left -= 1
        if depth > _MOST_DEPTH or self._left < 0:
            return ""
        node = self._graph.nodes[arrow[0]]
        self.walked.add(arrow[0])
        final = _take_final(node)
        if final is not None:
            return final
        if {"string", "find", "replace"} <= {*node.inputs.names()}:
            old, new = (self._read_input(node, name, side, depth) for name in ("find", "replace"))
            before = self._read_input(node, "string", side, depth)
            return before.replace(old, new) if old else before
        chosen = self._choose(node)
        names = [chosen] if chosen else self._list_parts(node, side)
        delimiter = self._read_delimiter(node, side, depth)
        parts = [part for name in names if (part := self._read_input(node, name, side, depth))]
        return delimiter.join(parts)

    def _list_parts(self, node: Node, side: str) -> list[str]:
        """The inputs that a text node joins, in the order of their numbers and letters."""
        names = [
            name
            for name in node.inputs.names()
            if name not in (*_AWAY, *_DELIMITERS)
            and _other_side(side) not in name.casefold()
            and (name in node.arrows or (isinstance(node.inputs.look(name), str) and _WORDS.fullmatch(name)))
        ]
        return sorted(names, key=_rank)

    def _read_delimiter(self, node: Node, side: str, depth: int) -> str:
        name = next((name for name in _DELIMITERS if name in node.inputs), None)
        if name is None:
            return ", "
        if name in node.arrows:
            return self._read_input(node, name, side, depth)
        node.inputs.take(name)
        written = node.inputs.look(name)
        return written.replace("\\n", "\n").replace("\\t", "\t") if isinstance(written, str) else ", "

    def _choose(self, node: Node) -> str | None:
        """The input that a switch node passes on; None for other nodes."""
        names = {name.casefold(): name for name in node.inputs.names()}
        select = next((names[name] for name in _SELECTS if name in names and names[name] not in node.arrows), None)
        number = whole(node.inputs.look(select)) if select else None
        chosen = next((name for name in names.values() if number is not None and re.search(rf"\D0*{number}$", name)), None)
        if select and chosen:
            node.inputs.take(select)
        return chosen


def _has_final(node: Node) -> bool:
    return any(text(node.inputs.look(name)) for name in _FINAL)


def _take_final(node: Node) -> str | None:
    """The text that a node produced, if it stores it."""
    return node.inputs.text(*[name for name in _FINAL if name in node.inputs and name not in node.arrows])


def _other_side(side: str) -> str:
    return "negative" if side == "positive" else "positive"


def _rank(name: str) -> tuple[int, list[tuple[int, str]]]:
    """A sort key: prefixes first, suffixes last, numbers by value."""
    place = 0 if name.startswith(("pre", "Pre")) else 2 if name.startswith(("suf", "app")) else 1
    return place, [(int(digits), "") if digits else (0, letters) for digits, letters in re.findall(r"(\d{1,9})|(\D+)", name)]
