from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sd_parsers import ParserManager

from engine.records import metadata
from engine.records.foreign import readers
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.foreign.sampler_names import SamplerName, read_sampler
from engine.records.record import Record
from engine.requests import MAX_SEED, Resolved, TextToImage
from tests.engine.records import carriers

SAMPLERS = ("DPM++ 2M", "Euler", "Euler a", "DPM2 a", "UniPC", "DDIM", "PLMS")
SCHEDULES = ("Karras", "Normal")

A1111 = (
    'portrait of a fox, (detailed fur:1.2), <lora:ink:0.8>\nsecond line, "quoted"\n'
    "Negative prompt: blurry, lowres\nbad: very\n"
    "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 3141592653, Size: 512x768, "
    'Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Clip skip: 2, Lora hashes: "ink: 1a2b3c4d5e6f", '
    "Version: v1.10.1"
)


def found(source: bytes) -> dict[str, Any]:
    """What was read, without what was not found and without the raw text."""
    record = readers.read(source)
    assert record is not None
    return {
        name: value for name, value in asdict(record).items() if value not in (None, "", ()) and name not in ("raw", "unused")
    }


A1111_FOUND = {
    "program": "AUTOMATIC1111",
    "prompt": 'portrait of a fox, (detailed fur:1.2), <lora:ink:0.8>\nsecond line, "quoted"',
    "negative_prompt": "blurry, lowres\nbad: very",
    "steps": 28,
    "scheduler": "DPM++ 2M",
    "schedule": "Karras",
    "guidance_scale": 6.5,
    "seed": 3141592653,
    "width": 512,
    "height": 768,
    "checkpoint": "v1-5-pruned-emaonly",
    "checkpoint_hash": "6ce0161689",
    "clip_skip": 2,
    "loras": ({"name": "ink", "weight": 0.8, "unet_weight": None, "hash": "1a2b3c4d5e6f"},),
}


@pytest.mark.parametrize(
    "source",
    [
        carriers.png({"parameters": A1111}),
        carriers.user_comment(A1111, "JPEG"),
        carriers.user_comment(A1111, "WEBP"),
        carriers.user_comment(A1111, "JPEG", little=True),
        carriers.user_comment(A1111, "JPEG", prefix=b"ASCII\0\0\0"),
        carriers.user_comment(A1111, "WEBP", prefix=b"\0" * 8),
        carriers.stealth(A1111, pack=False),
    ],
    ids=["png", "jpeg", "webp", "little-endian", "ascii", "undefined", "stealth"],
)
def test_automatic1111(source: bytes) -> None:
    assert found(source) == A1111_FOUND


def test_automatic1111_with_letters_of_all_kinds() -> None:
    text = A1111.replace("portrait of a fox", "猫と🐈 Füchsin")
    for source in (carriers.png({"parameters": text}), carriers.user_comment(text, "JPEG")):
        assert found(source)["prompt"].startswith("猫と🐈 Füchsin, ")


@pytest.mark.parametrize(
    "version, program",
    [
        ("v1.10.1", "AUTOMATIC1111"),
        ("f2.0.1v1.10.1-previous-659-gc055f2d4", "Forge"),
        ("Fooocus v2.5.5", "Fooocus"),
        ("Easel 0.1.0", "Easel"),
        ("ComfyUI", "ComfyUI"),
    ],
)
def test_the_programs_that_write_the_same_text_are_told_apart(version: str, program: str) -> None:
    assert found(carriers.png({"parameters": A1111.replace("v1.10.1", version)}))["program"] == program


def test_a_prompt_alone_and_a_negative_prompt_alone() -> None:
    last = "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64"
    assert found(carriers.png({"parameters": f"only this\n{last}"}))["prompt"] == "only this"
    nothing_but_no = found(carriers.png({"parameters": f"Negative prompt: no\n{last}"}))
    assert "prompt" not in nothing_but_no and nothing_but_no["negative_prompt"] == "no"


def test_easels_own_text_reads_back(resolved: Resolved, image: Image.Image) -> None:
    for format in ("png", "jpeg", "webp"):
        read = readers.read(metadata.encode(image, Record(resolved=resolved, job="a"), format))
        assert read is not None
        request, notes = readers.to_request(read)
        assert asdict(request) == {**asdict(resolved.request), "checkpoint": "star,ter"}
        assert not notes and read.program == "Easel"


GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 156680208700286,
            "steps": 20,
            "cfg": 8.0,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1.0,
            "model": ["10", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\v1-5.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 768, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bottle with a galaxy", "clip": ["11", 0]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["11", 0]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink", "model": ["4", 0], "clip": ["4", 1]}},
    "11": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["10", 1]}},
}
GRAPH_FOUND = {
    "program": "ComfyUI",
    "prompt": "a bottle with a galaxy",
    "negative_prompt": "text, watermark",
    "steps": 20,
    "scheduler": "DPM++ 2M",
    "schedule": "Karras",
    "guidance_scale": 8.0,
    "seed": 156680208700286,
    "width": 768,
    "height": 512,
    "checkpoint": "sd\\v1-5.safetensors",
    "clip_skip": 2,
    "strength": 1.0,
    "loras": ({"name": "ink", "weight": 1.0, "unet_weight": None, "hash": ""},),
}
WORKFLOW = json.dumps({"nodes": [], "links": []})


@pytest.mark.parametrize(
    "source",
    [
        carriers.png({"prompt": json.dumps(GRAPH), "workflow": WORKFLOW}),
        carriers.png({"prompt": json.dumps(GRAPH)}),
        carriers.tags({0x0110: "prompt:" + json.dumps(GRAPH), 0x010F: "workflow:" + WORKFLOW}, "WEBP"),
        carriers.tags({0x010F: "Prompt:" + json.dumps(GRAPH)}, "JPEG"),
        carriers.user_comment(json.dumps({"prompt": GRAPH, "workflow": {}}), "JPEG"),
    ],
    ids=["png", "without workflow", "webp", "jpeg", "comment"],
)
def test_comfyui(source: bytes) -> None:
    assert found(source) == GRAPH_FOUND


def test_comfyui_put_together_from_parts() -> None:
    graph = {
        "1": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {"noise": ["2", 0], "guider": ["3", 0], "sampler": ["4", 0], "sigmas": ["5", 0], "latent_image": ["6", 0]},
        },
        "2": {"class_type": "RandomNoise", "inputs": {"noise_seed": ["12", 0]}},
        "3": {"class_type": "CFGGuider", "inputs": {"cfg": 4.5, "model": ["7", 0], "positive": ["8", 0], "negative": ["8", 1]}},
        "4": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler_ancestral"}},
        "5": {"class_type": "BasicScheduler", "inputs": {"scheduler": "normal", "steps": 12, "denoise": 0.6, "model": ["7", 0]}},
        "6": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 1024}},
        "7": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
        "8": {
            "class_type": "ControlNetApplyAdvanced",
            "inputs": {"positive": ["9", 0], "negative": ["10", 0], "control_net": ["7", 0], "strength": 1.0},
        },
        "9": {"class_type": "CLIPTextEncode", "inputs": {"text": ["11", 0], "clip": ["7", 1]}},
        "10": {"class_type": "CLIPTextEncode", "inputs": {"text": "no people", "clip": ["7", 1]}},
        "11": {"class_type": "StringConcatenate", "inputs": {"string_a": "a harbour", "string_b": "at night", "delimiter": ", "}},
        "12": {"class_type": "Seed (rgthree)", "inputs": {"mode": "fixed", "number": 77}},
    }
    assert found(carriers.png({"prompt": json.dumps(graph)})) == {
        "program": "ComfyUI",
        "prompt": "a harbour, at night",
        "negative_prompt": "no people",
        "steps": 12,
        "scheduler": "Euler a",
        "schedule": "Normal",
        "guidance_scale": 4.5,
        "seed": 77,
        "width": 1024,
        "height": 1024,
        "checkpoint": "flux.safetensors",
        "strength": 0.6,
    }


def test_comfyui_takes_the_pass_that_starts_from_nothing() -> None:
    second = {"class_type": "KSampler", "inputs": {**GRAPH["3"]["inputs"], "seed": 1, "denoise": 0.4, "latent_image": ["12", 0]}}
    upscale = {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 1536, "height": 1024}}
    graph = {"1": second, **GRAPH, "12": upscale}
    assert found(carriers.png({"prompt": json.dumps(graph)}))["seed"] == GRAPH["3"]["inputs"]["seed"]


def test_graphs_that_run_in_circles_or_are_no_graphs() -> None:
    circle = {
        "1": {"class_type": "KSampler", "inputs": {"steps": 5, "sampler_name": "euler", "positive": ["2", 0], "model": ["1", 0]}},
        "2": {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["2", 0], "conditioning_2": ["1", 0]}},
    }
    assert found(carriers.png({"prompt": json.dumps(circle)})) == {
        "program": "ComfyUI", "steps": 5, "scheduler": "Euler", "schedule": "Normal",
    }  # fmt: skip
    odd = {"1": 3, "2": {"inputs": 5}, "3": {"class_type": "A", "inputs": {"x": [["y"], 0], "z": [0, 0]}}}
    for nothing in (odd, {}, {"a": {"class_type": "KSampler"}}):
        assert readers.read(carriers.png({"prompt": json.dumps(nothing)})) is None
    chain = {str(i): {"class_type": "C", "inputs": {"conditioning": [str(i + 1), 0]}} for i in range(5_000)}
    chain["5000"] = {"class_type": "CLIPTextEncode", "inputs": {"text": "at the end"}}
    chain["s"] = {"class_type": "KSampler", "inputs": {"steps": 5, "sampler_name": "euler", "positive": ["0", 0]}}
    assert found(carriers.png({"prompt": json.dumps(chain)}))["prompt"] == "at the end"


INVOKE = {
    "generation_mode": "txt2img",
    "positive_prompt": "a red barn",
    "negative_prompt": "fog",
    "width": 640,
    "height": 448,
    "seed": 2512376482,
    "cfg_scale": 7.5,
    "steps": 30,
    "scheduler": "dpmpp_2m_k",
    "clip_skip": 1,
    "app_version": "5.4.0",
    "model": {"key": "c3f0", "hash": "blake3:9a2f", "name": "Dreamlike", "base": "sd-1", "type": "main"},
}


@pytest.mark.parametrize(
    "source",
    [
        carriers.png({"invokeai_metadata": json.dumps(INVOKE), "invokeai_graph": "{}"}),
        carriers.user_comment(json.dumps({"invokeai_metadata": INVOKE}), "JPEG"),
        carriers.user_comment(json.dumps({"invokeai_metadata": json.dumps(INVOKE)}), "WEBP"),
        carriers.user_comment(json.dumps(INVOKE), "JPEG"),
        carriers.user_comment(json.dumps(INVOKE), "WEBP"),
    ],
    ids=["png", "jpeg, by keyword", "webp, by keyword", "jpeg", "webp"],
)
def test_invokeai_now(source: bytes) -> None:
    assert found(source) == {
        "program": "InvokeAI",
        "prompt": "a red barn",
        "negative_prompt": "fog",
        "steps": 30,
        "scheduler": "DPM++ 2M",
        "schedule": "Karras",
        "guidance_scale": 7.5,
        "seed": 2512376482,
        "width": 640,
        "height": 448,
        "checkpoint": "Dreamlike",
        "checkpoint_hash": "blake3:9a2f",
        "clip_skip": 2,
    }


def test_invokeai_before() -> None:
    image = {
        "prompt": [{"prompt": "a red barn [fog, rain]", "weight": 1.0}],
        "steps": 50,
        "cfg_scale": 7.5,
        "seed": 12,
        "sampler": "k_lms",
        "width": 512,
        "height": 512,
        "type": "txt2img",
    }
    written = {"model": "stable diffusion", "model_weights": "sd-1.4", "model_hash": "fe4efff1e1", "image": image}
    expected = {
        "program": "InvokeAI",
        "prompt": "a red barn",
        "negative_prompt": "fog, rain",
        "steps": 50,
        "scheduler": "LMS",
        "schedule": "Default",
        "guidance_scale": 7.5,
        "seed": 12,
        "width": 512,
        "height": 512,
    }
    hashed = {"checkpoint": "sd-1.4", "checkpoint_hash": "fe4efff1e1"}
    dream = '"a red barn [fog, rain]" -s 50 -S 12 -W 512 -H 512 -C 7.5 -A k_lms'
    assert found(carriers.png({"sd-metadata": json.dumps(written), "Dream": dream})) == {**expected, **hashed}
    assert found(carriers.png({"Dream": dream})) == expected


FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "juggernautXL",
    "base_model_hash": "aeb7e9e689",
    "clip_skip": 2,
    "full_prompt": ["a lighthouse", "cinematic"],
    "guidance_scale": 4,
    "negative_prompt": "",
    "prompt": "a lighthouse",
    "resolution": "(1152, 896)",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "7118437268",
    "steps": 30,
    "version": "Fooocus v2.5.5",
    "vae": "Default (model)",
    "full_negative_prompt": [],
    "loras": [],
}


@pytest.mark.parametrize(
    "source",
    [
        carriers.png({"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"}),
        carriers.tags({0x9286: json.dumps(FOOOCUS), 0x0131: "Fooocus v2.5.5", 0x927C: "fooocus"}, "JPEG"),
        carriers.tags({0x9286: json.dumps(FOOOCUS), 0x0131: "Fooocus v2.5.5", 0x927C: "fooocus"}, "WEBP"),
    ],
    ids=["png", "jpeg", "webp"],
)
def test_fooocus(source: bytes) -> None:
    assert found(source) == {
        "program": "Fooocus",
        "prompt": "a lighthouse",
        "steps": 30,
        "scheduler": "DPM++ 2M SDE",
        "schedule": "Karras",
        "guidance_scale": 4.0,
        "seed": 7118437268,
        "width": 1152,
        "height": 896,
        "checkpoint": "juggernautXL",
        "checkpoint_hash": "aeb7e9e689",
        "clip_skip": 2,
    }


def test_fooocus_in_its_other_scheme() -> None:
    text = (
        "a lighthouse, cinematic\nNegative prompt: anime\n"
        "Steps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 7, Size: 1152x896, CFG scale: 4, Sharpness: 2, "
        'ADM Guidance: "(1.5, 0.8, 0.3)", Model: juggernautXL, Model hash: aeb7e9e689, Performance: Speed, '
        'Raw prompt: "a lighthouse\\nat sea", Raw negative prompt: , Version: Fooocus v2.5.5'
    )
    read = found(carriers.png({"parameters": text, "fooocus_scheme": "a1111"}))
    assert (read["program"], read["prompt"], read["width"]) == ("Fooocus", "a lighthouse\nat sea", 1152)


EASY = {
    "prompt": "a photograph of an astronaut",
    "negative_prompt": "None",
    "seed": 2735229735,
    "clip_skip": True,
    "use_stable_diffusion_model": "C:\\models\\sd-v1-5.safetensors",
    "use_vae_model": None,
    "sampler_name": "euler_a",
    "width": 512,
    "height": 768,
    "num_inference_steps": 25,
    "guidance_scale": 7.5,
}
EASY_LABELS = {
    "Prompt": "a photograph of an astronaut",
    "Negative Prompt": "None",
    "Seed": 2735229735,
    "Clip Skip": True,
    "Stable Diffusion model": "C:\\models\\sd-v1-5.safetensors",
    "Sampler": "euler_a",
    "Width": 512,
    "Height": 768,
    "Steps": 25,
    "Guidance Scale": 7.5,
}


@pytest.mark.parametrize(
    "source",
    [
        carriers.png({key: str(value) for key, value in EASY.items()}),
        carriers.png({key: str(value) for key, value in EASY_LABELS.items()}),
        carriers.user_comment(json.dumps(EASY), "JPEG"),
        carriers.user_comment(json.dumps(EASY), "WEBP"),
    ],
    ids=["png", "labels", "jpeg", "webp"],
)
def test_easy_diffusion(source: bytes) -> None:
    assert found(source) == {
        "program": "Easy Diffusion",
        "prompt": "a photograph of an astronaut",
        "seed": 2735229735,
        "clip_skip": 2,
        "checkpoint": "C:\\models\\sd-v1-5.safetensors",
        "scheduler": "Euler a",
        "schedule": "Normal",
        "width": 512,
        "height": 768,
        "steps": 25,
        "guidance_scale": 7.5,
    }


NOVELAI = {
    "Title": "AI generated image",
    "Description": "1girl, {{{masterpiece}}}",
    "Software": "NovelAI",
    "Source": "Stable Diffusion XL C1E1DE52",
    "Generation time": "4.2",
    "Comment": json.dumps(
        {
            "prompt": "1girl, {{{masterpiece}}}",
            "steps": 28,
            "height": 1216,
            "width": 832,
            "scale": 5.0,
            "seed": 4011513245,
            "noise_schedule": "karras",
            "sampler": "k_euler_ancestral",
            "uc": "lowres, jpeg artifacts",
            "request_type": "T2I",
        }
    ),
}


@pytest.mark.parametrize(
    "source",
    [
        carriers.png(NOVELAI),
        carriers.stealth(json.dumps(NOVELAI)),
        carriers.stealth(json.dumps(NOVELAI), format="WEBP"),
        carriers.user_comment(json.dumps(NOVELAI), "WEBP"),
        carriers.user_comment(json.dumps(NOVELAI), "JPEG"),
    ],
    ids=["png", "stealth", "stealth webp", "webp", "jpeg"],
)
def test_novelai(source: bytes) -> None:
    assert found(source) == {
        "program": "NovelAI",
        "prompt": "1girl, {{{masterpiece}}}",
        "negative_prompt": "lowres, jpeg artifacts",
        "steps": 28,
        "scheduler": "Euler a",
        "schedule": "Karras",
        "guidance_scale": 5.0,
        "seed": 4011513245,
        "width": 832,
        "height": 1216,
        "checkpoint": "Stable Diffusion XL",
        "checkpoint_hash": "C1E1DE52",
    }


@pytest.mark.parametrize(
    "source",
    [
        carriers.png({"parameters": A1111}),
        carriers.user_comment(A1111, "JPEG"),
        carriers.png(
            {
                "prompt": json.dumps(GRAPH),
                "workflow": json.dumps(
                    {
                        "links": [
                            [1, 10, 0, 3, 0, "MODEL"],
                            [2, 4, 0, 10, 0, "MODEL"],
                            [3, 6, 0, 3, 1, "CONDITIONING"],
                            [4, 7, 0, 3, 2, "CONDITIONING"],
                        ]
                    }
                ),
            }
        ),
        carriers.png({"parameters": json.dumps(FOOOCUS)}),
        carriers.png(NOVELAI),
    ],
    ids=["a1111", "a1111 jpeg", "comfyui", "fooocus", "novelai"],
)
def test_another_parser_reads_the_same_words_and_seed(source: bytes, tmp_path: Any) -> None:
    """sd-parsers (MIT) as a referee: the files are real enough for it, and it agrees."""
    path = tmp_path / "picture"
    path.write_bytes(source)
    theirs, ours = ParserManager().parse(path), readers.read(path)
    assert theirs is not None and ours is not None
    assert ", ".join(map(str, theirs.prompts)) == ours.prompt
    assert ", ".join(map(str, theirs.negative_prompts)) == ours.negative_prompt
    assert int(theirs.samplers[0].parameters["seed"]) == ours.seed


@pytest.mark.parametrize(
    "source",
    [
        carriers.png({}),
        carriers.png({"parameters": "just words"}),
        carriers.png({"Comment": "Made with a camera"}),
        carriers.user_comment("Nice day at the lake", "JPEG"),
        carriers.user_comment("{}", "WEBP"),
        carriers.png({}, "RGBA"),
        b"",
        b"no picture",
        carriers.png({"prompt": "[" * 50_000}),
        carriers.png({"parameters": "Steps: , " * 3000}),
    ],
)
def test_nothing_is_found_where_nothing_is(source: bytes) -> None:
    assert readers.read(source) is None


@given(st.binary(max_size=300), st.sampled_from(["parameters", "prompt", "Comment", "invokeai_metadata", "Dream"]))
@settings(max_examples=100)
def test_no_text_is_too_odd(text: bytes, key: str) -> None:
    readers.read(carriers.png({key: text.decode("latin-1")}))
    readers.read(carriers.png({key: text.decode("latin-1")})[:200] + text)
    readers.read(carriers.user_comment("", "JPEG")[:20] + text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "image",
                    "model",
                    "seed",
                    "steps",
                    "scale",
                    "prompt",
                    "inputs",
                    "class_type",
                    "caption",
                    "positive",
                    "v4_negative_prompt",
                    "base_model",
                    "resolution",
                    "sampler_name",
                    "1",
                    "2",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(_JSON)
@settings(max_examples=60)
def test_no_json_is_too_odd(written: Any) -> None:
    text = json.dumps(written)
    for key in ("parameters", "prompt", "Comment", "invokeai_metadata", "sd-metadata"):
        record = readers.read(carriers.png({key: text}))
        if record is not None:
            readers.to_request(record, SAMPLERS, ("a",))


def test_what_cannot_be_honoured_is_said_with_the_nearest() -> None:
    record = ForeignRecord(
        program="NovelAI",
        raw="",
        prompt="{a cat}",
        steps=5000,
        seed=2**64 - 1,
        scheduler="DPM++ 1S",
        schedule="Laplace",
        checkpoint="folder/DreamShaper_8.safetensors",
        strength=0.5,
        width=512,
    )
    request, notes = readers.to_request(record, SAMPLERS, ("dreamshaper_7", "starter"), schedules=SCHEDULES)
    assert request == TextToImage(
        hires=False,
        prompt="{a cat}", prompt_template="", negative_template="", scheduler="DPM++ 2M", schedule="Karras",
        checkpoint="dreamshaper_7", width=512,
    )  # fmt: skip
    said = "\n".join(notes)
    for words in (
        "5000",
        str(2**64 - 1),
        "“DPM++ 2M” comes nearest",
        "“Karras” comes nearest",
        "“dreamshaper_7” comes nearest",
        "0.5",
        "braces",
    ):
        assert words in said


def test_what_is_here_is_found_whatever_its_case_and_folder() -> None:
    record = ForeignRecord(program="A", raw="", scheduler="euler A", checkpoint="SD/Starter.safetensors", seed=MAX_SEED)
    request, notes = readers.to_request(record, SAMPLERS, ("starter",))
    assert (request.scheduler, request.checkpoint, request.seed, notes) == ("Euler a", "starter", MAX_SEED, ())
    request, notes = readers.to_request(ForeignRecord(program="A", raw="", checkpoint="zzz"), (), ("starter",))
    assert request.checkpoint is None and "left open" in notes[0]


@pytest.mark.parametrize(
    "name, schedule, expected",
    [
        ("k_euler_ancestral", None, ("Euler a", "Normal")),
        ("uni_pc_bh2", "normal", ("UniPC", "Normal")),
        ("dpmpp_2m_k", None, ("DPM++ 2M", "Karras")),
        ("DPM++ 2M", "Karras", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M Karras", "Karras", ("DPM++ 2M", "Karras")),
        ("Own one", None, ("Own one", "Normal")),
        ("ddim", None, ("DDIM", None)),
        ("dpm_2_ancestral", "karras", ("DPM2 a", "Karras")),
        (None, None, (None, None)),
        ("", "karras", (None, "Karras")),
        ("DPM++ 2M SDE", "Automatic", ("DPM++ 2M SDE", "Exponential")),
    ],
)
def test_samplers_by_any_name(name: str | None, schedule: str | None, expected: tuple[str | None, str | None]) -> None:
    assert read_sampler(name, schedule) == SamplerName(*expected)
