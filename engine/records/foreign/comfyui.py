"""ComfyUI: the picture's settings lie in a graph of nodes, and a walk against the arrows finds them.

A prompt is ``{id: {"class_type": ..., "inputs": {name: value, or [id, slot] for an arrow}}}``. Rather than knowing every
node, the walk starts at the sampler and takes the nearest node that has an input of the wanted name, so that samplers put
together from parts (noise, guider, sigmas) and nodes of extensions read the same way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from engine.records.foreign.foreign_record import ForeignRecord, json_object, number, sampler, text, whole

Node = Mapping[str, Any]
"""The inputs of one node."""

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

    def __init__(self, prompt: Mapping[str, Any]) -> None:
        self._inputs: dict[str, Node] = {
            key: node["inputs"]
            for key, node in prompt.items()
            if isinstance(node, dict) and isinstance(node.get("inputs"), dict) and "class_type" in node
        }
        self._classes = {key: str(prompt[key]["class_type"]) for key in self._inputs}

    def sampler(self) -> str | None:
        """The id of the sampler that starts from an empty picture; else of the first one."""
        samplers = [key for key, inputs in self._inputs.items() if _is_sampler(inputs)]
        return next((key for key in samplers if self._starts_empty(key)), samplers[0] if samplers else None)

    def value(self, start: str | None, *names: str) -> Any:
        """The plain value of the nearest input with one of ``names``, at or above ``start``."""
        for key in self._above(start):
            for name in names:
                found = self._plain(self._inputs[key].get(name), name)
                if found is not None:
                    return found
        return None

    def link(self, start: str | None, *names: str) -> str | None:
        """The node that the nearest input with one of ``names`` comes from."""
        found = self._arrow(start, *names)
        return found[0] if found else None

    def prompt(self, start: str, side: str) -> str:
        """All words that flow into the ``positive`` or ``negative`` side of a sampler, in order, each once."""
        arrow = self._arrow(start, side) or (self._arrow(start, "conditioning") if side == "positive" else None)
        waiting, seen, words = [arrow] if arrow else [], set(), []
        while waiting:
            arrow = waiting.pop()
            key, slot = arrow
            if arrow not in seen and "ZeroOut" not in self._classes[key]:
                seen.add(arrow)
                inputs = self._inputs[key]
                words += [inputs[name].strip() for name in _WORDS if text(inputs.get(name))]
                waiting += reversed(list(self._towards_words(inputs, slot)))
        return "\n".join(dict.fromkeys(words))

    def _towards_words(self, inputs: Node, slot: int) -> Iterator[tuple[str, int]]:
        """The arrows that may bring words. A node with both sides passes the positive on at slot 0, the other at 1."""
        both = self._is_arrow(inputs.get("positive")) and self._is_arrow(inputs.get("negative"))
        other = ("negative" if slot == 0 else "positive") if both else None
        for name, value in inputs.items():
            if self._is_arrow(value) and name not in _NO_WORDS and name != other:
                yield value[0], value[1]

    def _above(self, start: str | None) -> Iterator[str]:
        """``start`` and all nodes that flow into it, the nearest first."""
        waiting, seen = deque([start] if start in self._inputs else []), {start}
        while waiting:
            yield (key := waiting.popleft())
            above = [value[0] for value in self._inputs[key].values() if self._is_arrow(value) and value[0] not in seen]
            seen.update(above)
            waiting.extend(dict.fromkeys(above))

    def _arrow(self, start: str | None, *names: str) -> tuple[str, int] | None:
        for key in self._above(start):
            for name in names:
                if self._is_arrow(value := self._inputs[key].get(name)):
                    return value[0], value[1]
        return None

    def _plain(self, value: Any, name: str) -> Any:
        """``value``; or what the node that it comes from holds under ``name``, else its first number, else its first text."""
        if not self._is_arrow(value):
            return value if _is_plain(value) else None
        inputs = self._inputs[value[0]]
        plain = [v for v in (inputs.get(name), *inputs.values()) if _is_plain(v)]
        named = _is_plain(inputs.get(name))
        return next(iter(plain if named else sorted(plain, key=lambda v: isinstance(v, str))), None)

    def _is_arrow(self, value: Any) -> TypeGuard[list[Any]]:
        return (
            isinstance(value, list)
            and len(value) == 2
            and isinstance(value[0], str)
            and value[0] in self._inputs
            and isinstance(value[1], int)
        )

    def _starts_empty(self, key: str) -> bool:
        latent = self.link(key, "latent_image", "samples", "latent")
        return latent is not None and "Empty" in self._classes[latent]


def _is_sampler(inputs: Node) -> bool:
    """A sampler node: one with steps and a sampler's name, or one put together from noise and sigmas."""
    return {"steps", "sampler_name"} <= inputs.keys() or {"sigmas", "latent_image"} <= inputs.keys()


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)
