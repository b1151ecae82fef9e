"""ComfyUI's graphs: the first pass by the graph, prompts through text nodes, LoRAs of every loader, and both forms of a graph.

Names of inputs: ``nodes.py`` and ``comfy_extras/nodes_string.py`` (comfyanonymous/ComfyUI); ``efficiency_nodes.py``
(jags111); ``py/nodes/loaders.py`` (yolain/ComfyUI-Easy-Use); ``sdxl_prompt_styler.py`` (twri); ``py/string_function.py`` and
``show_text.py`` (pythongosssss/ComfyUI-Custom-Scripts); ``modules/impact/impact_pack.py`` (ltdrdata/ComfyUI-Impact-Pack);
``py/power_lora_loader.py`` (rgthree); Comfyroll's ``nodes_lora.py``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.json_values import JsonObject, JsonValue
from engine.records.foreign import readers
from engine.records.foreign.foreign_record import ForeignRecord

Nodes = dict[str, tuple[str, dict[str, Any]]]

SAMPLER = {"seed": 5, "steps": 20, "cfg": 7.0, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0}


def graph(nodes: Nodes) -> JsonObject:
    return {key: {"class_type": name, "inputs": inputs, "_meta": {"title": name}} for key, (name, inputs) in nodes.items()}


def read(nodes: Nodes | JsonObject, keyword: str = "prompt") -> ForeignRecord:
    written = nodes if any(isinstance(node, dict) for node in nodes.values()) or "nodes" in nodes else graph(nodes)  # type: ignore[arg-type]
    record = readers.read_fields({keyword: json.dumps(written)})
    assert record is not None and record.program == "ComfyUI"
    return record


def basic(**changes: tuple[str, dict[str, Any]]) -> Nodes:
    """The default workflow; ``changes`` add nodes or take their place."""
    return {
        "sampler": (
            "KSampler",
            {**SAMPLER, "model": ["ckpt", 0], "positive": ["pos", 0], "negative": ["neg", 0], "latent_image": ["empty", 0]},
        ),
        "ckpt": ("CheckpointLoaderSimple", {"ckpt_name": "dreamy.safetensors"}),
        "empty": ("EmptyLatentImage", {"width": 832, "height": 1216, "batch_size": 1}),
        "pos": ("CLIPTextEncode", {"text": "a fox", "clip": ["ckpt", 1]}),
        "neg": ("CLIPTextEncode", {"text": "blurry", "clip": ["ckpt", 1]}),
        "decode": ("VAEDecode", {"samples": ["sampler", 0], "vae": ["ckpt", 2]}),
        "save": ("SaveImage", {"filename_prefix": "ComfyUI", "images": ["decode", 0]}),
        **changes,
    }


def with_text(**nodes: tuple[str, dict[str, Any]]) -> str:
    """The prompt whose encoder takes its text from the node ``text``."""
    return read(basic(pos=("CLIPTextEncode", {"text": ["text", 0], "clip": ["ckpt", 1]}), **nodes)).prompt


TEXTS: dict[str, tuple[str, Nodes]] = {
    "concatenate": (
        "a fox, at night",
        {"text": ("StringConcatenate", {"string_a": "a fox", "string_b": "at night", "delimiter": ", "})},
    ),
    "no delimiter": (
        "a foxat night",
        {"text": ("StringConcatenate", {"string_a": "a fox", "string_b": "at night", "delimiter": ""})},
    ),
    "line break": ("a\nb", {"text": ("JoinStrings", {"string1": "a", "string2": "b", "delimiter": "\\n"})}),
    "arrows and widgets mixed": (
        "a fox, ink, night",
        {
            "text": (
                "Text Concatenate",
                {"delimiter": ", ", "clean_whitespace": "true", "text_b": "ink", "text_a": ["one", 0], "text_c": ["two", 0]},
            ),
            "one": ("PrimitiveString", {"value": "a fox"}),
            "two": ("Text Multiline", {"text": "night"}),
        },
    ),
    "ten parts": (
        "p1 p2 p10",
        {
            "text": (
                "JoinStringMulti",
                {"inputcount": 3, "string_10": "p10", "string_2": "p2", "string_1": "p1", "delimiter": " "},
            )
        },
    ),
    "append": (
        "a, b, c",
        {
            "text": (
                "StringFunction|pysssss",
                {"action": "append", "tidy_tags": "yes", "text_a": "a", "text_b": "b", "text_c": "c"},
            )
        },
    ),
    "append with its result": (
        "made",
        {
            "text": (
                "StringFunction|pysssss",
                {"action": "append", "tidy_tags": "yes", "text_a": "a", "text_b": "b", "text_c": "", "result": "made"},
            )
        },
    ),
    "replace": ("a red fox", {"text": ("StringReplace", {"string": "a fox", "find": "fox", "replace": "red fox"})}),
    "show text": (
        "shown",
        {
            "text": ("ShowText|pysssss", {"text": ["one", 0], "text_0": "shown"}),
            "one": ("DPRandomGenerator", {"text": "{a|b}", "seed": 3}),
        },
    ),
    "show text passes on": (
        "given",
        {"text": ("ShowText|pysssss", {"text": ["one", 0]}), "one": ("String Literal", {"string": "given"})},
    ),
    "styler": (
        "a fox",
        {
            "text": (
                "SDXLPromptStyler",
                {"text_positive": "a fox", "text_negative": "bad", "style": "cinematic", "log_prompt": "No"},
            )
        },
    ),
    "wildcards": (
        "a red fox",
        {
            "text": (
                "ImpactWildcardProcessor",
                {
                    "wildcard_text": "a __colour__ fox",
                    "populated_text": "a red fox",
                    "mode": "populate",
                    "seed": 4,
                    "Select to add Wildcard": "x",
                },
            )
        },
    ),
    "reroute": ("a fox", {"text": ("Reroute", {"": ["one", 0]}), "one": ("CR Text", {"text": "a fox"})}),
    "primitive": ("a fox", {"text": ("PrimitiveNode", {"value": "a fox"})}),
    "switch": (
        "second",
        {
            "text": ("CR Text Input Switch", {"Input": 2, "text1": ["one", 0], "text2": ["two", 0]}),
            "one": ("CR Text", {"text": "first"}),
            "two": ("CR Text", {"text": "second"}),
        },
    ),
    "prompt concat of Easy-Use": (
        "a fox, night",
        {"text": ("easy promptConcat", {"prompt1": "a fox", "prompt2": "night", "separator": ", "})},
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_prompt_through_text_nodes(name: str) -> None:
    expected, nodes = TEXTS[name]
    assert with_text(**nodes) == expected


def test_a_styler_gives_each_side_its_own() -> None:
    styler = ("SDXLPromptStyler", {"text_positive": "a fox", "text_negative": "bad", "style": "cinematic", "log_prompt": "No"})
    record = read(
        basic(
            pos=("CLIPTextEncode", {"text": ["style", 0], "clip": ["ckpt", 1]}),
            neg=("CLIPTextEncode", {"text": ["style", 1], "clip": ["ckpt", 1]}),
            style=styler,
        )
    )
    assert (record.prompt, record.negative_prompt) == ("a fox", "bad")
    assert "style (cinematic)" in record.unused.settings


EFFICIENT: Nodes = {
    "1": (
        "Efficient Loader",
        {
            "ckpt_name": "dreamy.safetensors",
            "vae_name": "Baked VAE",
            "clip_skip": -2,
            "lora_name": "ink.safetensors",
            "lora_model_strength": 0.8,
            "lora_clip_strength": 0.5,
            "positive": "a fox",
            "negative": "blurry",
            "token_normalization": "mean",
            "weight_interpretation": "A1111",
            "empty_latent_width": 832,
            "empty_latent_height": 1216,
            "batch_size": 1,
            "lora_stack": ["2", 0],
        },
    ),
    "2": (
        "LoRA Stacker",
        {
            "input_mode": "simple",
            "lora_count": 2,
            "lora_name_1": "glow.safetensors",
            "lora_wt_1": 0.3,
            "model_str_1": 1.0,
            "clip_str_1": 1.0,
            "lora_name_2": "None",
            "lora_wt_2": 1.0,
            "lora_name_3": "hidden.safetensors",
            "lora_wt_3": 1.0,
        },
    ),
    "3": (
        "KSampler (Efficient)",
        {
            **SAMPLER,
            "preview_method": "auto",
            "vae_decode": "true",
            "model": ["1", 0],
            "positive": ["1", 1],
            "negative": ["1", 2],
            "latent_image": ["1", 3],
            "optional_vae": ["1", 4],
        },
    ),
    "4": ("SaveImage", {"filename_prefix": "a", "images": ["3", 5]}),
}
EASY: Nodes = {
    "1": (
        "easy fullLoader",
        {
            "ckpt_name": "dreamy.safetensors",
            "config_name": "Default",
            "vae_name": "Baked VAE",
            "clip_skip": -2,
            "lora_name": "ink.safetensors",
            "lora_model_strength": 0.8,
            "lora_clip_strength": 0.8,
            "resolution": "832 x 1216",
            "empty_latent_width": 512,
            "empty_latent_height": 512,
            "positive": "a fox",
            "positive_token_normalization": "none",
            "positive_weight_interpretation": "comfy",
            "negative": "blurry",
            "negative_token_normalization": "none",
            "negative_weight_interpretation": "comfy",
            "batch_size": 1,
            "a1111_prompt_style": False,
            "optional_lora_stack": ["2", 0],
        },
    ),
    "2": (
        "easy loraStack",
        {
            "toggle": True,
            "mode": "simple",
            "num_loras": 1,
            "lora_1_name": "glow.safetensors",
            "lora_1_strength": 0.3,
            "lora_1_model_strength": 1.0,
            "lora_1_clip_strength": 1.0,
            "lora_2_name": "None",
            "lora_2_strength": 1.0,
        },
    ),
    "3": ("easy preSampling", {**SAMPLER, "pipe": ["1", 0]}),
    "4": ("easy kSampler", {"image_output": "Preview", "link_id": 0, "save_prefix": "ComfyUI", "pipe": ["3", 0]}),
}
DETAILED = (
    "FaceDetailer",
    {**SAMPLER, "seed": 77, "image": ["decode", 0], "model": ["ckpt", 0], "positive": ["pos", 0], "negative": ["neg", 0]},
)


@pytest.mark.parametrize("nodes", [EFFICIENT, EASY], ids=["Efficient Loader", "easy fullLoader"])
def test_loaders_that_do_everything(nodes: Nodes) -> None:
    record = read(nodes)
    assert (record.prompt, record.negative_prompt, record.width, record.height) == ("a fox", "blurry", 832, 1216)
    assert (record.checkpoint, record.clip_skip, record.seed) == ("dreamy.safetensors", 2, 5)
    assert {lora.name for lora in record.loras} == {"ink.safetensors", "glow.safetensors"}
    assert not record.unused.unknown


def test_both_strengths_of_a_lora() -> None:
    request, _ = readers.to_request(read(EFFICIENT), loras=["ink", "glow"])
    assert "<lora:ink:0.5:0.8>" in request.prompt


LORAS: dict[str, tuple[str, dict[str, Any]]] = {
    "one": ("LoraLoader", {"lora_name": "a.safetensors", "strength_model": 0.8, "strength_clip": 0.8}),
    "model only": ("LoraLoaderModelOnly", {"lora_name": "a.safetensors", "strength_model": 0.8}),
    "with a preview": (
        "LoraLoader|pysssss",
        {"lora_name": {"content": "a.safetensors", "image": None}, "strength_model": 0.8, "strength_clip": 0.8},
    ),
    "Comfyroll": (
        "CR LoRA Stack",
        {
            "switch_1": "On",
            "lora_name_1": "a.safetensors",
            "model_weight_1": 0.8,
            "clip_weight_1": 0.8,
            "switch_2": "Off",
            "lora_name_2": "b.safetensors",
            "model_weight_2": 1,
            "clip_weight_2": 1,
        },
    ),
    "Power Lora Loader": (
        "Power Lora Loader (rgthree)",
        {
            "lora_1": {"on": True, "lora": "a.safetensors", "strength": 0.8},
            "lora_2": {"on": False, "lora": "b.safetensors", "strength": 1},
        },
    ),
    "Lora Loader Stack": (
        "Lora Loader Stack (rgthree)",
        {"lora_01": "a.safetensors", "strength_01": 0.8, "lora_02": "None", "strength_02": 1},
    ),
    "LoRA Manager": (
        "Lora Loader (LoraManager)",
        {"loras": {"__value__": [{"name": "a", "strength": 0.8, "active": True}, {"name": "b", "strength": 1, "active": False}]}},
    ),
}


@pytest.mark.parametrize("name", LORAS)
def test_loras_of_every_loader(name: str) -> None:
    kind, inputs = LORAS[name]
    nodes = basic(lora=(kind, {**inputs, "model": ["ckpt", 0], "clip": ["ckpt", 1]}))
    nodes["sampler"][1]["model"] = ["lora", 0]
    record = read(nodes)
    request, _ = readers.to_request(record, loras=["A", "B"])
    assert request.prompt == "a fox <lora:A:0.8>"
    assert not record.unused.unknown


def second(**changes: Any) -> tuple[str, dict[str, Any]]:
    again = {**SAMPLER, "seed": 99, "steps": 8, "denoise": 0.4, "latent_image": ["up", 0]}
    return "KSampler", {**again, "model": ["ckpt", 0], "positive": ["pos", 0], "negative": ["neg", 0], **changes}


@pytest.mark.parametrize("upscaler", ["LatentUpscaleBy", "EmptyLookingUpscale", "Anything"])
@pytest.mark.parametrize("first_in_the_file", [True, False])
def test_the_first_pass_is_found_by_the_graph(upscaler: str, first_in_the_file: bool) -> None:
    more: Nodes = {"again": second(), "up": (upscaler, {"samples": ["sampler", 0], "scale_by": 2.0})}
    record = read({**more, **basic()} if first_in_the_file else {**basic(), **more})
    assert record.seed == 5
    assert any(part.startswith("node KSampler") for part in record.unused.settings)


def test_a_first_pass_from_a_picture_and_a_second_through_pixels() -> None:
    nodes = basic(
        empty=("VAEEncode", {"pixels": ["load", 0], "vae": ["ckpt", 2]}),
        load=("LoadImage", {"image": "a.png", "upload": "image"}),
        up=("VAEEncode", {"pixels": ["scale", 0], "vae": ["ckpt", 2]}),
        scale=("ImageScaleBy", {"image": ["decode", 0], "scale_by": 2}),
        again=second(),
        detail=DETAILED,
    )
    assert read({"again": nodes.pop("again"), **nodes}).seed == 5


def test_a_base_and_a_refiner_that_share_the_steps() -> None:
    inputs = {
        "noise_seed": 5,
        "steps": 25,
        "cfg": 7.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "positive": ["pos", 0],
        "negative": ["neg", 0],
    }
    nodes = basic(
        refine=(
            "KSamplerAdvanced",
            {
                **inputs,
                "noise_seed": 0,
                "add_noise": "disable",
                "start_at_step": 20,
                "end_at_step": 10000,
                "return_with_leftover_noise": "disable",
                "model": ["xl", 0],
                "latent_image": ["sampler", 0],
            },
        ),
        sampler=(
            "KSamplerAdvanced",
            {
                **inputs,
                "add_noise": "enable",
                "start_at_step": 0,
                "end_at_step": 20,
                "return_with_leftover_noise": "enable",
                "model": ["ckpt", 0],
                "latent_image": ["empty", 0],
            },
        ),
        xl=("CheckpointLoaderSimple", {"ckpt_name": "refiner.safetensors"}),
    )
    record = read({"refine": nodes.pop("refine"), **nodes})
    assert (record.seed, record.checkpoint, record.steps) == (5, "dreamy.safetensors", 25)
    assert "end_at_step (20)" in record.unused.settings


WORKFLOW: JsonObject = {
    "last_node_id": 9,
    "last_link_id": 9,
    "version": 0.4,
    "groups": [],
    "config": {},
    "extra": {},
    "nodes": [
        {
            "id": 3,
            "type": "KSampler",
            "mode": 0,
            "pos": [0, 0],
            "widgets_values": [5, "randomize", 20, 7.0, "dpmpp_2m", "karras", 1.0],
            "inputs": [
                {"name": "model", "type": "MODEL", "link": 1},
                {"name": "positive", "type": "CONDITIONING", "link": 2},
                {"name": "negative", "type": "CONDITIONING", "link": 3},
                {"name": "latent_image", "type": "LATENT", "link": 4},
            ],
        },
        {"id": 4, "type": "CheckpointLoaderSimple", "mode": 0, "widgets_values": ["dreamy.safetensors"], "inputs": []},
        {"id": 5, "type": "EmptyLatentImage", "mode": 0, "widgets_values": [832, 1216, 1], "inputs": []},
        {
            "id": 6,
            "type": "CLIPTextEncode",
            "mode": 0,
            "widgets_values": [""],
            "inputs": [
                {"name": "clip", "type": "CLIP", "link": 5},
                {"name": "text", "type": "STRING", "link": 7, "widget": {"name": "text"}},
            ],
        },
        {
            "id": 7,
            "type": "CLIPTextEncode",
            "mode": 0,
            "widgets_values": ["blurry"],
            "inputs": [{"name": "clip", "type": "CLIP", "link": 6}],
        },
        {
            "id": 8,
            "type": "LoraLoader",
            "mode": 0,
            "widgets_values": ["ink.safetensors", 0.8, 0.8],
            "inputs": [{"name": "model", "type": "MODEL", "link": 8}, {"name": "clip", "type": "CLIP", "link": 9}],
        },
        {
            "id": 9,
            "type": "LoraLoader",
            "mode": 4,
            "widgets_values": ["off.safetensors", 1, 1],
            "inputs": [{"name": "model", "type": "MODEL", "link": 10}, {"name": "clip", "type": "CLIP", "link": 11}],
            "outputs": [{"name": "MODEL", "type": "MODEL"}, {"name": "CLIP", "type": "CLIP"}],
        },
        {"id": 10, "type": "Some Text", "mode": 0, "widgets_values": ["a fox"], "inputs": []},
        {"id": 11, "type": "LoraLoader", "mode": 2, "widgets_values": ["muted.safetensors", 1, 1], "inputs": []},
    ],
    "links": [
        [1, 9, 0, 3, 0, "MODEL"],
        [2, 6, 0, 3, 1, "CONDITIONING"],
        [3, 7, 0, 3, 2, "CONDITIONING"],
        [4, 5, 0, 3, 3, "LATENT"],
        [5, 9, 1, 6, 0, "CLIP"],
        [6, 9, 1, 7, 0, "CLIP"],
        [7, 10, 0, 6, 1, "STRING"],
        [8, 4, 0, 8, 0, "MODEL"],
        [9, 4, 1, 8, 1, "CLIP"],
        [10, 8, 0, 9, 0, "MODEL"],
        [11, 8, 1, 9, 1, "CLIP"],
    ],
}


def test_the_editors_drawing_alone() -> None:
    record = read(WORKFLOW, "workflow")
    assert (record.prompt, record.negative_prompt, record.seed, record.steps) == ("a fox", "blurry", 5, 20)
    assert (record.width, record.height, record.scheduler, record.checkpoint) == (
        832,
        1216,
        "DPM++ 2M",
        "dreamy.safetensors",
    )
    assert [lora.name for lora in record.loras] == ["ink.safetensors"]
    assert not record.unused.unknown


def test_a_drawing_with_subgraphs() -> None:
    """Links out of -10 are a subgraph's inputs, links to -20 its outputs; what is typed into an input stands for a link."""
    written = json.loads(json.dumps(WORKFLOW))
    encoder = {
        "id": "sub",
        "inputs": [{"name": "clip"}, {"name": "words"}],
        "outputs": [{"name": "CONDITIONING"}],
        "nodes": [
            {
                "id": 1,
                "type": "CLIPTextEncode",
                "mode": 0,
                "widgets_values": ["stale"],
                "inputs": [{"name": "clip", "link": 1}, {"name": "text", "link": 2, "widget": {"name": "text"}}],
            }
        ],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0},
            {"id": 2, "origin_id": -10, "origin_slot": 1, "target_id": 1, "target_slot": 1},
            {"id": 3, "origin_id": 1, "origin_slot": 0, "target_id": -20, "target_slot": 0},
        ],
    }
    outer = {
        "id": 6,
        "type": "sub",
        "mode": 0,
        "widgets_values": ["typed outside"],
        "inputs": [{"name": "clip", "type": "CLIP", "link": 5}, {"name": "words", "link": None, "widget": {"name": "words"}}],
    }
    written["definitions"] = {"subgraphs": [encoder]}
    written["nodes"] = [outer if node["id"] == 6 else node for node in written["nodes"]]
    assert read(written, "workflow").prompt == "typed outside"
    outer["inputs"][1]["link"] = 7
    record = read(written, "workflow")
    assert (record.prompt, record.negative_prompt) == ("a fox", "blurry")
    encoder["nodes"] = [{"id": 1, "type": "sub", "mode": 0, "inputs": [{"name": "clip", "link": 1}]}]
    assert read(written, "workflow").prompt == ""
    many = [{"id": index, "type": "sub", "mode": 0, "inputs": []} for index in range(50)]
    encoder["nodes"] = many
    assert read(written, "workflow").prompt == ""


def test_a_graph_that_is_a_comment_by_itself() -> None:
    """Civitai's generator: the nodes lie beside its own entries, files are named by AIR."""
    nodes = graph(basic(ckpt=("CheckpointLoaderSimple", {"ckpt_name": "urn:air:sdxl:checkpoint:civitai:1@2"})))
    record = read({**nodes, "extra": {"airs": []}, "extraMetadata": '{"prompt": "a fox"}'}, "parameters")
    assert (record.prompt, record.checkpoint) == ("a fox", "urn:air:sdxl:checkpoint:civitai:1@2")
    assert any("extraMetadata" in fact for fact in record.unused.facts)


def test_every_unknown_input_and_node_is_mentioned() -> None:
    for written, keyword in ((graph(basic(detail=DETAILED)), "prompt"), (graph(EFFICIENT), "prompt"), (graph(EASY), "prompt")):
        places: list[list[str]] = [
            [],
            *([key] for key in written),
            *([key, part] for key in written for part in ("inputs", "_meta")),
        ]
        for place in places:
            changed = json.loads(json.dumps(written))
            inner = changed
            for step in place:
                inner = inner[step]
            inner["zzunknown"] = "odd"
            assert "zzunknown" in str(read(changed, keyword).unused), place
    extra = {**graph(basic()), "odd": {"class_type": "ZzUnknownNode", "inputs": {"anything": 3}}}
    assert any("“node ZzUnknownNode” (anything)" in part for part in read(extra).unused.unknown)
    for place in ((), ("nodes", 0), ("nodes", 3)):
        changed = json.loads(json.dumps(WORKFLOW))
        inner = changed
        for step in place:
            inner = inner[step]
        inner["zzunknown"] = "odd"
        assert "zzunknown" in str(read(changed, "workflow").unused), place


def test_text_nodes_in_a_circle_and_in_a_fan_end() -> None:
    circle = basic(
        pos=("CLIPTextEncode", {"text": ["a", 0], "clip": ["ckpt", 1]}), a=("JoinStrings", {"string1": ["a", 0], "string2": "x"})
    )
    assert "x" in read(circle).prompt
    fan: Nodes = {f"t{i}": ("JoinStrings", {"string1": [f"t{i + 1}", 0], "string2": [f"t{i + 1}", 0]}) for i in range(50)}
    read(basic(pos=("CLIPTextEncode", {"text": ["t0", 0], "clip": ["ckpt", 1]}), **fan, t50=("CR Text", {"text": "end"})))
    samplers: Nodes = {f"s{i}": second(latent_image=[f"s{(i + 1) % 300}", 0]) for i in range(300)}
    assert read(basic(**samplers)).seed == 5


_ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=5)
    | st.tuples(st.sampled_from("1234"), st.integers(-1, 3)).map(list),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "lora_name", "lora_1", "loras", "on", "content"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    [
        "text",
        "positive",
        "negative",
        "model",
        "clip",
        "latent_image",
        "steps",
        "sampler_name",
        "seed",
        "string_a",
        "delimiter",
        "pipe",
        "lora_name",
        "lora_name_1",
        "lora_wt_1",
        "populated_text",
        "select",
        "text1",
        "width",
        "samples",
        "sigmas",
        "conditioning",
        "cfg",
    ]
)
_GRAPHS = st.dictionaries(
    st.sampled_from("1234"),
    st.fixed_dictionaries(
        {
            "class_type": st.sampled_from(["KSampler", "CLIPTextEncode", "ShowText|pysssss", "Odd"]),
            "inputs": st.dictionaries(_NAMES, _ODD, max_size=8),
        }
    ),
    min_size=1,
    max_size=4,
)
_WORKFLOWS = st.fixed_dictionaries(
    {
        "nodes": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "id": _ODD,
                    "type": st.sampled_from(["KSampler", "Odd"]),
                    "mode": st.sampled_from([0, 2, 4, "x"]),
                    "inputs": _ODD,
                    "outputs": _ODD,
                    "widgets_values": _ODD,
                },
            ),
            max_size=4,
        )
        | _ODD,
        "links": st.lists(_ODD | st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(-1, 3)).map(list), max_size=5)
        | _ODD,
    }
)


@given(_GRAPHS | _WORKFLOWS)
@settings(max_examples=60, deadline=None)
def test_no_graph_is_too_odd(written: JsonValue) -> None:
    for keyword in ("prompt", "workflow"):
        record = readers.read_fields({keyword: json.dumps(written)})
        if record is not None:
            readers.to_request(record, ("Euler",), ("a",), loras=("a",), vaes=(), refiners=())
