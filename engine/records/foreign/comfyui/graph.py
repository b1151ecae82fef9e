"""The nodes of a graph and the connections between them.

A prompt is ``{id: {"class_type": ..., "inputs": {name: value, or [id, slot] for a connection}}}``. Instead of knowing every node
type, a search starts at a sampler and takes the nearest node with an input of the wanted name. Samplers composed of several nodes
(noise, guider, sigmas), all-in-one loaders and nodes of extensions are all read this way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from engine.json_values import JsonObject, JsonValue
from engine.records.foreign.fields import Fields
from engine.records.foreign.values import as_object, text

Arrow = tuple[str, int]
"""The node that an input is connected to, and its output slot."""

T = TypeVar("T")

_MOST_NODES = 10_000
_MOST_SAMPLERS = 20
_MOST_HOPS = 60
"""Limits of the search. Real graphs have a few hundred nodes."""

LATENTS = ("latent_image", "samples", "latent", "latents", "optional_latent", "pipe", "basic_pipe", "image", "images", "pixels")
"""Inputs through which an image or its latents reach a sampler, directly or in a bundle."""

_BUNDLES = ("model", "guider", "pipe", "basic_pipe", "sdxl_tuple")
"""Inputs that lead to the checkpoint."""

_VALUES = ("value", "number", "int", "float", "seed", "string", "text", "content")
"""Input names of nodes that only hold a value."""


@dataclass(frozen=True)
class Node:
    """One node. ``arrows`` are the inputs connected to other nodes; ``whole`` is the node in the record."""

    name: str
    inputs: Fields
    whole: Fields
    arrows: dict[str, Arrow] = field(default_factory=dict[str, Arrow])


class Graph:
    """The nodes of a prompt. Entries that are not nodes are not taken from ``prompt``."""

    def __init__(self, prompt: Fields) -> None:
        self.nodes: dict[str, Node] = {}
        for key in prompt.names()[:_MOST_NODES]:
            written = prompt.look(key)
            if isinstance(written, dict) and isinstance(name := written.get("class_type"), str):
                self.nodes[key] = _open_node(prompt, key, written, name)
        for node in self.nodes.values():
            for name in node.inputs.names():
                if (arrow := self._read_arrow(node.inputs.look(name))) is not None:
                    node.inputs.take(name)
                    node.arrows[name] = arrow

    def first_sampler(self) -> str | None:
        """The sampler without another sampler upstream; of several, one that starts from an empty latent."""
        samplers = [key for key, node in self.nodes.items() if _is_sampler(node)][:_MOST_SAMPLERS]
        first: list[str] = []
        for key in samplers:
            before = {*self.above(*self.latents(key))}
            if not any(other in before and other != key for other in samplers):
                first.append(key)
        found = first or samplers
        return next((key for key in found if self.starts_empty(key)), found[0] if found else None)

    def latents(self, sampler: str) -> list[str]:
        """The nodes that a sampler's latent comes from; those of its bundles if it has no input for one."""
        arrows = self.nodes[sampler].arrows
        return [arrows[name][0] for name in LATENTS if name in arrows]

    def starts_empty(self, sampler: str) -> bool:
        """Whether no image is upstream of a sampler."""
        above = self.above(*self.latents(sampler)[:1])
        return not any("pixels" in self.nodes[key].arrows or text(self.nodes[key].inputs.look("image")) for key in above)

    def above(self, *starts: str | None) -> Iterator[str]:
        """``starts`` and all nodes upstream of them, nearest first."""
        waiting = deque(dict.fromkeys(start for start in starts if start in self.nodes))
        seen = {*waiting}
        while waiting:
            yield (key := waiting.popleft())
            sources = [arrow[0] for arrow in self.nodes[key].arrows.values() if arrow[0] not in seen]
            seen.update(sources)
            waiting.extend(dict.fromkeys(sources))

    def value(self, start: str | None, convert: Callable[[JsonValue], T | None], *names: str) -> T | None:
        """The nearest input named one of ``names``, at or upstream of ``start``, whose value ``convert`` accepts."""
        for key in self.above(start):
            for name in names:
                if name in self.nodes[key].inputs and (found := self._take_value(key, name, convert)) is not None:
                    return found
        return None

    def checkpoint_value(self, start: str, convert: Callable[[JsonValue], T | None], *names: str) -> T | None:
        """Like :meth:`value`, but searches the path to the checkpoint first."""
        arrows = self.nodes[start].arrows
        for name in _BUNDLES:
            if name in arrows and (found := self.value(arrows[name][0], convert, *names)) is not None:
                return found
        return self.value(start, convert, *names)

    def find(self, start: str | None, name: str) -> Node | None:
        """The nearest node at or upstream of ``start`` with an input called ``name``."""
        return next((self.nodes[key] for key in self.above(start) if name in self.nodes[key].inputs), None)

    def _take_value(self, key: str, name: str, convert: Callable[[JsonValue], T | None]) -> T | None:
        """The value of an input, or of the node connected to it, through nodes that only pass it on."""
        for _ in range(_MOST_HOPS):
            node = self.nodes[key]
            if name not in node.arrows:
                found = convert(unwrap(node.inputs.look(name)))
                if found is not None:
                    node.inputs.take(name)
                return found
            key = node.arrows[name][0]
            source = self.nodes[key]
            named = [each for each in (name, *_VALUES, *source.inputs.names()) if each in source.inputs]
            plain = [
                each for each in named if each not in source.arrows and convert(unwrap(source.inputs.look(each))) is not None
            ]
            numbers = [each for each in plain if not isinstance(source.inputs.look(each), str)]
            chosen = next(
                iter([each for each in plain if each in (name, *_VALUES)] or numbers or plain or [*source.arrows]), None
            )
            if chosen is None:
                return None
            name = chosen
        return None

    def _read_arrow(self, value: JsonValue) -> Arrow | None:
        """The node and output slot that ``value`` refers to; None if it is a plain value."""
        match value:
            case [str() | int() as key, int(slot)] if not isinstance(key, bool) and str(key) in self.nodes:
                return str(key), slot
            case _:
                return None


def _open_node(prompt: Fields, key: str, written: JsonObject, name: str) -> Node:
    whole = prompt.open(key, written, name)
    whole.take("class_type")
    whole.take("is_changed")
    whole.inside("_meta").text("title")
    return Node(name, whole.open("inputs", as_object(written.get("inputs")), ""), whole)


def _is_sampler(node: Node) -> bool:
    """Whether a node is a sampler, with steps and a sampler's name or noise and sigmas. Detailers, which take images, are not."""
    names = {*node.inputs.names()}
    together = {"sigmas", "latent_image"} <= names
    return together or ({"steps", "sampler_name"} <= names and not names & {"image", "images", "pixels", "upscale_model"})


def unwrap(value: JsonValue) -> JsonValue:
    """A plain value, also if an extension wraps it with a preview; None for a boolean, which no setting is."""
    if isinstance(value, dict):
        value = value.get("content")
    return None if isinstance(value, bool | list | dict) else value
