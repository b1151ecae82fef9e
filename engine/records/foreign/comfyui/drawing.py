"""The nodes and links of the editor's form of a graph, with subgraphs expanded in place.

A subgraph is an entry of ``definitions.subgraphs`` whose id is the type of a node. Inside, links from the node -10 are its
inputs, links to -20 its outputs (ComfyUI frontend, ``src/lib/litegraph/src/subgraph``). Inner nodes are called "outer:inner",
as ComfyUI calls them when it executes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.json_values import JsonObject, JsonValue
from engine.records.foreign.values import as_object

MUTED, BYPASSED = 2, 4
"""Modes of nodes that are not executed, and that pass their inputs on."""

_INPUTS, _OUTPUTS = "-10", "-20"
_MOST_DEPTH = 8
_MOST_NODES, _MOST_LINKS, _MOST_SUBGRAPHS = 10_000, 50_000, 500
_MOST_HOPS = 100

End = tuple[str, int]
"""A node and one of its slots."""


@dataclass(frozen=True)
class Drawing:
    """Nodes and links by their ids as text. ``links``: link -> the output that it comes from.

    ``entries``: a link from a subgraph's input -> the outer link that is connected to it, None for none. ``values``: the same for
    values entered there. ``exits``: an output of a subgraph's node -> the inner link that is connected to it. ``expanded``: the
    subgraphs' nodes.
    """

    nodes: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    links: dict[str, End] = field(default_factory=dict[str, End])
    entries: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    values: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    exits: dict[End, str] = field(default_factory=dict[End, str])
    expanded: list[str] = field(default_factory=list[str])

    def follow(self, link: str | None) -> End | JsonValue:
        """The output that a link comes from, through bypassed nodes and subgraphs; or the value entered there; else None."""
        for _ in range(_MOST_HOPS):
            if link in self.values:
                return self.values[link]
            link = self.entries.get(link, link) if link is not None else None
            source = self.links.get(link) if link is not None else None
            if source is None:
                return None
            if source in self.exits:
                link = self.exits[source]
                continue
            node = self.nodes.get(source[0])
            if node is None or node.get("mode") != BYPASSED:
                return source if node is not None and node.get("mode") != MUTED else None
            link = _pass_on(node, source[1])
        return None


def _pass_on(node: JsonObject, slot: int) -> str | None:
    """The link that a bypassed node passes on at output ``slot``: its first input of the same type."""
    outputs = list_objects(node.get("outputs"))
    kind = outputs[slot].get("type") if 0 <= slot < len(outputs) else None
    links = [entry.get("link") for entry in list_objects(node.get("inputs")) if entry.get("type") == kind]
    return next((link for link in links if isinstance(link, str)), None)


def read_drawing(written: JsonObject, name_values: Callable[[JsonObject], JsonObject]) -> Drawing:
    """The drawing in ``written``. ``name_values`` returns the values of a node's widgets by name."""
    definitions = list_objects(as_object(written.get("definitions")).get("subgraphs"))
    subgraphs = {str(each.get("id")): each for each in definitions}
    drawing = Drawing()
    _add(drawing, written, "", subgraphs, name_values)
    return drawing


def _add(
    drawing: Drawing,
    graph: JsonObject,
    prefix: str,
    subgraphs: dict[str, JsonObject],
    name_values: Callable[[JsonObject], JsonObject],
) -> None:
    """Add the nodes and links of ``graph``, with ``prefix`` before their ids."""
    links = graph.get("links")
    for link in links[: max(0, _MOST_LINKS - len(drawing.links))] if isinstance(links, list) else []:
        key, source, target = _read_link(link)
        drawing.links[prefix + key] = (prefix + source[0], source[1])
        if target[0] == _OUTPUTS and prefix:
            drawing.exits[prefix.removesuffix(":"), target[1]] = prefix + key
    for written in list_objects(graph.get("nodes")):
        if len(drawing.nodes) >= _MOST_NODES or not isinstance(written.get("type"), str):
            continue
        key = f"{prefix}{written.get('id')}"
        node: JsonObject = {**written, "inputs": [_name_link(slot, prefix) for slot in list_objects(written.get("inputs"))]}
        subgraph = subgraphs.get(str(node["type"])) if node.get("mode") not in (MUTED, BYPASSED) else None
        if subgraph is None or prefix.count(":") >= _MOST_DEPTH or len(drawing.expanded) >= _MOST_SUBGRAPHS:
            drawing.nodes[key] = node
            continue
        drawing.expanded.append(key)
        _add(drawing, subgraph, f"{key}:", subgraphs, name_values)
        _connect(drawing, node, subgraph, f"{key}:", name_values(node))


def _connect(drawing: Drawing, node: JsonObject, subgraph: JsonObject, prefix: str, values: JsonObject) -> None:
    """Connect the inputs of ``node`` to the inner links from the subgraph's inputs."""
    outside = {str(slot.get("name")): slot.get("link") for slot in list_objects(node.get("inputs"))}
    names = [str(slot.get("name")) for slot in list_objects(subgraph.get("inputs"))]
    links = subgraph.get("links")
    for written in links[:_MOST_LINKS] if isinstance(links, list) else []:
        inside, source, _ = _read_link(written)
        if source[0] == _INPUTS and 0 <= source[1] < len(names):
            key, name = prefix + inside, names[source[1]]
            link = outside.get(name)
            drawing.entries[key] = link if isinstance(link, str) else None
            if drawing.entries[key] is None and name in values:
                drawing.values[key] = values[name]


def _name_link(slot: JsonObject, prefix: str) -> JsonObject:
    link = slot.get("link")
    return {**slot, "link": f"{prefix}{link}" if isinstance(link, int | str) and not isinstance(link, bool) else None}


def _read_link(link: JsonValue) -> tuple[str, End, End]:
    """Id, source and target of a link; a malformed link gets an id that no input refers to."""
    match link:
        case [(int() | str()) as key, (int() | str()) as node, int(slot), (int() | str()) as target, int(place), *_]:
            return str(key), (str(node), slot), (str(target), place)
        case {
            "id": (int() | str()) as key,
            "origin_id": (int() | str()) as node,
            "origin_slot": int(slot),
            "target_id": (int() | str()) as target,
            "target_slot": int(place),
        }:
            return str(key), (str(node), slot), (str(target), place)
        case _:
            return "none", ("", 0), ("", 0)


def list_objects(value: JsonValue) -> list[JsonObject]:
    """The objects in a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
