"""ComfyUI: the image's settings are in a graph of nodes; following the links backwards finds them.

A prompt is ``{id: {"class_type": ..., "inputs": {name: value, or [id, slot] for an arrow}}}``. Rather than knowing every
node, the walk starts at the sampler and takes the nearest node that has an input of the wanted name, so that samplers put
together from parts (noise, guider, sigmas) and nodes of extensions read the same way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from engine.json_values import JsonObject, JsonValue
from engine.records.foreign.foreign_record import ForeignRecord, as_object, json_object, number, sampler, text, whole

Node = Mapping[str, JsonValue]
"""The inputs of one node."""

Arrow = tuple[str, int]
"""The node that an input comes from, and its slot."""

_NO_WORDS = ("clip", "vae", "control_net", "image", "model", "pixels", "mask", "latent", "clip_vision_output", "style_model")
"""Inputs that lead away from the words of a prompt."""
_WORDS = ("text", "text_g", "text_l", "t5xxl", "clip_l", "prompt", "string", "value", "wildcard_text", "populated_text")


def read_comfyui(fields: Mapping[str, str]) -> ForeignRecord | None:
    """The settings of the first pass. None if there is no graph or no sampler in it."""
    raw = fields.get("prompt", "")
    graph = Graph(json_object(raw))
    start = graph.sampler()
    if start is None:
        return None
    last_layer = whole(graph.value(start, "stop_at_clip_layer"))
    latent = graph.link(start, "latent_image", "samples", "latent")
    return ForeignRecord(
        program="ComfyUI",
        raw=raw,
        prompt=graph.prompt(start, "positive"),
        negative_prompt=graph.prompt(start, "negative"),
        steps=whole(graph.value(start, "steps")),
        guidance_scale=number(graph.value(start, "cfg")),
        scheduler=sampler(graph.value(start, "sampler_name"), graph.value(start, "scheduler")),
        seed=whole(graph.value(start, "seed", "noise_seed")),
        width=whole(graph.value(latent, "width")),
        height=whole(graph.value(latent, "height")),
        checkpoint=text(graph.value(start, "ckpt_name", "unet_name")),
        clip_skip=-last_layer if last_layer and last_layer < 0 else None,
        strength=number(graph.value(start, "denoise")),
    )


class Graph:
    """The nodes of a prompt that look like nodes; whatever else a file holds is left out."""

    def __init__(self, prompt: JsonObject) -> None:
        nodes = {key: as_object(node) for key, node in prompt.items() if "class_type" in as_object(node)}
        self._inputs: dict[str, Node] = {
            key: inputs for key, node in nodes.items() if isinstance(inputs := node.get("inputs"), dict)
        }
        self._classes = {key: str(nodes[key]["class_type"]) for key in self._inputs}

    def sampler(self) -> str | None:
        """The id of the sampler that starts from an empty image; else of the first one."""
        samplers = [key for key, inputs in self._inputs.items() if _is_sampler(inputs)]
        return next((key for key in samplers if self._starts_empty(key)), samplers[0] if samplers else None)

    def value(self, start: str | None, *names: str) -> str | float | None:
        """The plain value of the nearest input with one of ``names``, at or above ``start``."""
        for key in self._above(start):
            for name in names:
                found = self._read_value(self._inputs[key].get(name), name)
                if found is not None:
                    return found
        return None

    def link(self, start: str | None, *names: str) -> str | None:
        """The node that the nearest input with one of ``names`` comes from."""
        found = self._find_arrow(start, *names)
        return found[0] if found else None

    def prompt(self, start: str, side: str) -> str:
        """All words that flow into the ``positive`` or ``negative`` side of a sampler, in order, each once."""
        arrow = self._find_arrow(start, side) or (self._find_arrow(start, "conditioning") if side == "positive" else None)
        waiting = [arrow] if arrow else []
        seen: set[Arrow] = set()
        words: list[str] = []
        while waiting:
            arrow = waiting.pop()
            key, slot = arrow
            if arrow not in seen and "ZeroOut" not in self._classes[key]:
                seen.add(arrow)
                inputs = self._inputs[key]
                words += [said.strip() for name in _WORDS if (said := text(inputs.get(name)))]
                waiting += reversed(list(self._towards_words(inputs, slot)))
        return "\n".join(dict.fromkeys(words))

    def _towards_words(self, inputs: Node, slot: int) -> Iterator[Arrow]:
        """The arrows that may bring words. A node with both sides passes the positive on at slot 0, the other at 1."""
        both = self._read_arrow(inputs.get("positive")) and self._read_arrow(inputs.get("negative"))
        other = ("negative" if slot == 0 else "positive") if both else None
        for name, value in inputs.items():
            arrow = self._read_arrow(value)
            if arrow and name not in _NO_WORDS and name != other:
                yield arrow

    def _above(self, start: str | None) -> Iterator[str]:
        """``start`` and all nodes that flow into it, the nearest first."""
        if start is None or start not in self._inputs:
            return
        waiting, seen = deque([start]), {start}
        while waiting:
            yield (key := waiting.popleft())
            arrows = (self._read_arrow(value) for value in self._inputs[key].values())
            above = [arrow[0] for arrow in arrows if arrow and arrow[0] not in seen]
            seen.update(above)
            waiting.extend(dict.fromkeys(above))

    def _find_arrow(self, start: str | None, *names: str) -> Arrow | None:
        inputs = (self._inputs[key].get(name) for key in self._above(start) for name in names)
        return next((arrow for value in inputs if (arrow := self._read_arrow(value))), None)

    def _read_value(self, value: JsonValue, name: str) -> str | float | None:
        """``value``; or what the node that it comes from holds under ``name``, else its first number, else its first text."""
        arrow = self._read_arrow(value)
        if arrow is None:
            return _read_plain(value)
        inputs = self._inputs[arrow[0]]
        named = _read_plain(inputs.get(name))
        plain = [found for each in inputs.values() if (found := _read_plain(each)) is not None]
        return named if named is not None else next(iter(sorted(plain, key=lambda found: isinstance(found, str))), None)

    def _read_arrow(self, value: JsonValue) -> Arrow | None:
        """The node and its slot that ``value`` comes from; None if it is a value of its own."""
        match value:
            case [str(key), int(slot)] if key in self._inputs:
                return key, slot
            case _:
                return None

    def _starts_empty(self, key: str) -> bool:
        latent = self.link(key, "latent_image", "samples", "latent")
        return latent is not None and "Empty" in self._classes[latent]


def _is_sampler(inputs: Node) -> bool:
    """A sampler node: one with steps and a sampler's name, or one put together from noise and sigmas."""
    return {"steps", "sampler_name"} <= inputs.keys() or {"sigmas", "latent_image"} <= inputs.keys()


def _read_plain(value: JsonValue) -> str | float | None:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None
