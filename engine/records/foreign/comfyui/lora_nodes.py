"""The LoRAs of a graph: single loaders, stacks with numbered inputs, and lists with switches.

Names of inputs: ComfyUI ``nodes.py`` (LoraLoader); Efficiency Nodes (LoRA Stacker, Efficient Loader); Comfyroll (CR LoRA
Stack); Easy-Use; rgthree (Power Lora Loader, Lora Loader Stack); LoRA Manager.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.json_values import JsonValue
from engine.records.foreign.comfyui.graph import Graph, Node, unwrap
from engine.records.foreign.foreign_record import ForeignLora
from engine.records.foreign.nearest_names import plain_name
from engine.records.foreign.values import as_object, number, text

_NAME = re.compile(r"(?:lora|lora_name|lora_model)_?(\d*)|lora_(\d+)_name", re.IGNORECASE)
_MODEL = (
    "lora_model_strength",
    "strength_model",
    "model_strength",
    "lora_strength",
    "strength",
    "lora_weight",
    "weight",
    "lora_wt",
)
_CLIP = ("lora_clip_strength", "strength_clip", "clip_strength", "clip_weight")
_NUMBERED_BOTH = ("lora_wt_{0}", "lora_{0}_strength", "lora_weight_{0}", "lora_strength_{0}", "strength_{0}", "weight_{0}")
_NUMBERED_MODEL = ("model_str_{0}", "model_weight_{0}", "model_strength_{0}", "lora_{0}_model_strength", "strength_model_{0}")
_NUMBERED_CLIP = ("clip_str_{0}", "clip_weight_{0}", "clip_strength_{0}", "lora_{0}_clip_strength", "strength_clip_{0}")
_SWITCHES = ("switch_{0}", "enabled_{0}", "on_{0}", "lora_{0}_on")
_MODES = ("input_mode", "mode")
_COUNTS = ("lora_count", "num_loras")


def find_loras(graph: Graph, start: str) -> tuple[ForeignLora, ...]:
    """Every LoRA upstream of a sampler, the one nearest to the checkpoint first, each file once."""
    found = [lora for key in graph.above(start) for lora in reversed(list(_read_node(graph.nodes[key])))]
    return tuple({plain_name(lora.name): lora for lora in reversed(found)}.values())


def _read_node(node: Node) -> Iterator[ForeignLora]:
    for name in node.inputs.names():
        value = node.inputs.look(name)
        if isinstance(value, dict) and text(value.get("lora")):
            yield from _read_power(node, name, as_object(value))
        elif name == "loras" and (listed := _unwrap_list(value)) is not None:
            node.inputs.take(name)
            yield from (lora for item in listed if (lora := _read_entry(as_object(item))) is not None)
        elif (known := _NAME.fullmatch(name)) and name not in node.arrows:
            yield from _read_named(node, name, known[1] or known[2] or "")


def _read_power(node: Node, name: str, entry: dict[str, JsonValue]) -> Iterator[ForeignLora]:
    """rgthree: an object with "on", "lora", "strength" and, for the text encoder, "strengthTwo"."""
    inner = node.inputs.open(name, entry)
    file, used = inner.text("lora"), inner.take("on")
    model, clip = inner.number("strength"), inner.number("strengthTwo")
    if file and used is not False:
        yield _build(file, model, clip)


def _read_named(node: Node, name: str, digits: str) -> Iterator[ForeignLora]:
    """A file's name, and its strengths and switch from the inputs with the same number."""
    file = text(unwrap(node.inputs.look(name)))
    if node.inputs.look(name) in ("None", "", None) or file is not None:
        node.inputs.take(name)
    if not digits:
        model, clip = node.inputs.number(*_spell(node, _MODEL, "")), node.inputs.number(*_spell(node, _CLIP, ""))
        used = True
    else:
        model, clip = _take_strengths(node, digits)
        used = _is_used(node, digits)
    if file is not None and used:
        yield _build(file, model, clip)


def _take_strengths(node: Node, digits: str) -> tuple[float | None, float | None]:
    """The strengths for the UNet and the text encoder; a stack in its simple mode has one for both."""
    both = node.inputs.number(*_spell(node, _NUMBERED_BOTH, digits))
    model = node.inputs.number(*_spell(node, _NUMBERED_MODEL, digits))
    clip = node.inputs.number(*_spell(node, _NUMBERED_CLIP, digits))
    modes = [text(node.inputs.take(name)) for name in _MODES if name in node.inputs and name not in node.arrows]
    simple = model is None or "simple" in modes
    return (both, None) if simple and both is not None else (model, clip)


def _is_used(node: Node, digits: str) -> bool:
    """Whether a stack is on, and this slot is on and within the number of slots in use."""
    switches = [node.inputs.take(name) for name in (*_spell(node, _SWITCHES, digits), "toggle") if name in node.inputs]
    counts = [node.inputs.whole(name) for name in _COUNTS if name in node.inputs and name not in node.arrows]
    on = all(switch not in ("Off", "off", "False", False) for switch in switches)
    return on and all(count is None or int(digits) <= count for count in counts)


def _spell(node: Node, patterns: tuple[str, ...], digits: str) -> list[str]:
    """The inputs of ``node`` that match one of ``patterns``, with the number as written or without leading zeros."""
    names = [pattern.format(place) for pattern in patterns for place in (digits, digits.lstrip("0"))]
    return [name for name in dict.fromkeys(names) if name in node.inputs and name not in node.arrows]


def _build(file: str, model: float | None, clip: float | None) -> ForeignLora:
    """The LoRA in Easel's form: the text encoder's strength first, the UNet's if it differs."""
    unet = 1.0 if model is None else model
    return ForeignLora(file, unet if clip is None else clip, None if clip in (None, unet) else unet)


def _unwrap_list(value: JsonValue) -> list[JsonValue] | None:
    """The entries of LoRA Manager's list, which the editor wraps."""
    inner = value.get("__value__") if isinstance(value, dict) else value
    entries = inner if isinstance(inner, list) else None
    return entries if entries is not None and all(isinstance(item, dict) and "name" in item for item in entries) else None


def _read_entry(entry: dict[str, JsonValue]) -> ForeignLora | None:
    file = text(entry.get("name"))
    if file is None or entry.get("active") is False:
        return None
    return _build(file, number(entry.get("strength")), number(entry.get("clipStrength")))
