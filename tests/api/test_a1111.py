"""A1111's routes over real HTTP: what clients send, however they write it, and what they read from the answers."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import httpx
import pytest
from PIL import Image

from api.context import COMPATIBLE_PAGE
from engine.generate.samplers import SCHEDULERS
from engine.jobs import JobState
from engine.json_values import JsonObject
from engine.records.images.open_image import open_image
from engine.requests import ImageToImage, Request, TextToImage
from tests.api.images import PICTURE, decode, encode, to_base64
from tests.api.serving import Served

GENERATE, PICTURE_64 = "/sdapi/v1/txt2img", to_base64(PICTURE)


def generate(client: httpx.Client, **body: object) -> JsonObject:
    answer = client.post("/sdapi/v1/img2img" if "init_images" in body else GENERATE, json={"steps": 1, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def last_job(served: Served) -> JobState:
    return served.jobs.jobs(limit=1)[0]


def last_request(served: Served) -> Request:
    return last_job(served).request


def test_a_picture_comes_with_everything_that_clients_read_and_is_a_job_like_any_other(
    client: httpx.Client, served: Served
) -> None:
    answer = generate(client, prompt="a cat", negative_prompt="rain", seed=7, batch_size=2, n_iter=1, width=64, height=72)
    info = json.loads(answer["info"])
    assert [decode(image).size for image in answer["images"]] == [(64, 72)] * 2
    assert info["all_seeds"] == [7, 8] and info["seed"] == 7 and info["prompt"] == "a cat"
    assert (info["width"], info["height"], info["steps"], info["negative_prompt"]) == (64, 72, 1, "rain")
    assert info["infotexts"][0].startswith("a cat\nNegative prompt: rain\nSteps: 1")
    assert answer["parameters"]["prompt"] == "a cat"
    job = last_job(served)
    assert job.page == COMPATIBLE_PAGE and job.state == "finished"
    assert all(result.path.is_file() for result in job.results)


def test_numbers_may_be_texts_and_everything_may_be_null(client: httpx.Client, served: Served) -> None:
    generate(
        client, prompt="x", seed="-1", cfg_scale="7.5", hr_scale="1.0", width="64", height=64.0, styles=None, batch_size=None
    )
    request = last_request(served)
    assert request.guidance_scale == 7.5 and request.seed is not None


@pytest.mark.parametrize(
    ("sampler", "scheduler", "found"),
    [
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Karras")),
        ("DPM++ 2M", "karras", ("DPM++ 2M", "Karras")),
        ("Euler a", "automatic", ("Euler a", None)),
        ("Euler a", "Automatic", ("Euler a", None)),
        ("k_euler_a", "", ("Euler a", None)),
        ("Euler", "Simple", ("Euler", "Simple")),
        ("dpmpp_2m", "sgm_uniform", ("DPM++ 2M", "SGM Uniform")),
        ("DDIM", None, ("DDIM", None)),
        (None, "exponential", (None, "Exponential")),
        ("Euler", "align_your_steps", ("Euler", "Align Your Steps")),
        ("Euler a Karras", "Automatic", ("Euler a", "Karras")),
    ],
)
def test_samplers_are_found_by_the_names_of_every_age(
    client: httpx.Client, served: Served, sampler: str | None, scheduler: str | None, found: tuple[str, str]
) -> None:
    generate(client, prompt="x", sampler_name=sampler, scheduler=scheduler)
    request = last_request(served)
    assert (request.scheduler, request.schedule) == found


def test_a_sampler_that_is_not_here_is_replaced_by_the_nearest_and_said(client: httpx.Client, served: Served) -> None:
    answer = generate(client, prompt="x", sampler_index="Restart")
    assert last_request(served).scheduler in SCHEDULERS
    assert "Restart" in " ".join(json.loads(answer["info"])["notes"])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"sampler_name": "wow"}, 404, "Sampler not found"),
        ({"scheduler": "wow"}, 404, "Scheduler not found"),
        ({"steps": 0}, 422, "Steps must be from 1 to 1000"),
        ({"steps": "many"}, 422, "“steps”"),
        ({"width": 100_000}, 422, "The width"),
        ({"script_name": "xyz plot"}, 422, "Script 'xyz plot' not found"),
        ({"override_settings": {"sd_model_checkpoint": "none such"}}, 404, "Checkpoint not found"),
        ({"override_settings": {"sd_model_checkpoint": "/etc/passwd"}}, 404, "Checkpoint not found"),
        ({"override_settings": {"CLIP_stop_at_last_layers": "x"}}, 422, "CLIP_stop_at_last_layers"),
        ({"refiner_checkpoint": "none such"}, 404, "Refiner not found"),
        ({"prompt": "script: fail"}, 422, "The script says"),
        ({"batch_size": 1000}, 422, "“batch_size”"),
        ({"init_images": []}, 404, "Init image not found"),
        ({"init_images": ["not base64 !"]}, 422, "Invalid encoded image"),
        ({"init_images": ["http://example.com/a.png"]}, 422, "fetches no pictures"),
        ({"init_images": [to_base64(b"no picture")]}, 422, "not a picture"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(client: httpx.Client, body: JsonObject, status: int, said: str) -> None:
    answer = client.post("/sdapi/v1/img2img" if "init_images" in body else GENERATE, json=body)
    assert answer.status_code == status
    assert said in answer.json()["detail"] and answer.json()["errors"] == answer.json()["detail"]


def test_everything_that_is_left_out_is_said(client: httpx.Client) -> None:
    asked = {
        "restore_faces": True, "tiling": True, "s_churn": 1, "styles": ["no style"],
        "override_settings": {"unheard_of": 1}, "alwayson_scripts": {"Roop": {"args": [{"enabled": True}]}},
    }  # fmt: skip
    notes = " ".join(json.loads(generate(client, prompt="x", **asked)["info"])["notes"])
    for word in ("Faces", "tile", "s_churn", "no style", "unheard_of", "Roop"):
        assert word in notes


def test_what_clients_send_by_habit_is_not_remarked_on(client: httpx.Client) -> None:
    habits = {
        "enable_hr": False, "restore_faces": False, "subseed": -1, "subseed_strength": 0, "eta": 1.0, "s_noise": 1, "styles": [],
        "override_settings": {}, "alwayson_scripts": {"ADetailer": {"args": [False]}, "ControlNet": {"args": []}},
        "script_name": None, "script_args": [], "refiner_checkpoint": "None", "refiner_switch_at": 0.8,
    }  # fmt: skip
    assert json.loads(generate(client, prompt="x", **habits)["info"])["notes"] == []


def test_an_image_to_begin_with_and_its_mask(client: httpx.Client, served: Served) -> None:
    mask = Image.new("L", (32, 24))
    mask.paste(255, (0, 0, 16, 24))
    body = {
        "init_images": ["data:image/png;base64," + PICTURE_64], "mask": to_base64(encode(mask)), "mask_blur": 4,
        "denoising_strength": 0.4, "inpaint_full_res": True, "inpaint_full_res_padding": 12, "inpainting_mask_invert": 1,
        "resize_mode": 2, "inpainting_fill": 1,
    }  # fmt: skip
    generate(client, prompt="x", **body)
    request = last_request(served)
    assert isinstance(request, ImageToImage) and request.mask_image
    assert (request.strength, request.fit, request.mask_area, request.padding) == (0.4, "pad", "region", 12)
    with Image.open(served.settings.data / "blobs" / request.mask_image[:2] / request.mask_image) as stored:
        assert [stored.getpixel((x, 10)) for x in (4, 28)] == [0, 255]


def stored(served: Served, name: str | None) -> Path:
    assert name
    return served.settings.data / "blobs" / name[:2] / name


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_phone_photograph_lies_upright_under_its_mask(client: httpx.Client, served: Served, orientation: int) -> None:
    """The mask is drawn on the photograph as it is shown."""
    upright = Image.new("L", (40, 24) if orientation < 5 else (24, 40))
    upright.paste(255, (0, 0, 8, 10))
    photo = to_base64(encode(Image.new("RGB", (40, 24), "red"), "JPEG", orientation))
    generate(client, prompt="x", init_images=[photo], mask=f"data:image/png;base64,{to_base64(encode(upright))}")
    request = last_request(served)
    assert isinstance(request, ImageToImage)
    with Image.open(stored(served, request.mask_image)) as mask:
        assert mask.tobytes() == upright.tobytes()
        assert open_image(stored(served, request.init_image)).colours.size == mask.size


@pytest.mark.parametrize(
    ("mode", "value", "seen"),
    [
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0)),
        ("LA", (0, 0), (255, 255, 255)),
        ("I;16", 32896, (128, 128, 128)),
        ("L", 128, (128, 128, 128)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_pictures_of_every_depth_and_transparency_are_inputs(
    client: httpx.Client, served: Served, mode: str, value: float | tuple[int, ...], seen: tuple[int, int, int]
) -> None:
    generate(client, prompt="x", init_images=[to_base64(encode(Image.new(mode, (16, 16), value)))])
    request = last_request(served)
    assert isinstance(request, ImageToImage)
    found = open_image(stored(served, request.init_image)).image.getpixel((5, 5))
    assert isinstance(found, tuple) and all(abs(a - b) <= 1 for a, b in zip(found, seen, strict=True))


def test_presets_are_styles(client: httpx.Client, served: Served) -> None:
    assert "Photo" in [style["name"] for style in client.get("/sdapi/v1/prompt-styles").json()]
    generate(client, prompt="a boat", styles=["Photo"])
    assert last_request(served).prompt.startswith("photograph of a boat")


def test_the_whole_options_object_may_be_posted_back(client: httpx.Client) -> None:
    options = client.get("/sdapi/v1/options/").json()
    model = client.get("/sdapi/v1/sd-models").json()[0]
    assert options["sd_model_checkpoint"] == model["title"] and "forge_preset" not in options
    for name in (model["title"], model["model_name"], model["hash"], model["title"].upper()):
        changed = {**options, "sd_model_checkpoint": name, "CLIP_stop_at_last_layers": 2, "samples_format": "jpg"}
        assert client.post("/sdapi/v1/options/", json=changed).json() == {}
    assert client.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 2
    assert client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "none such"}).status_code == 404
    assert client.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == model["title"]
    assert client.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 1}).json() == {}


def test_upscaling_one_and_several(client: httpx.Client, served: Served) -> None:
    body = {"upscaler_1": "Lanczos", "upscaling_resize": 3, "image": PICTURE_64, "gfpgan_visibility": 1}
    answer = client.post("/sdapi/v1/extra-single-image", json=body).json()
    assert "Faces" in answer["html_info"] and decode(answer["image"]).size == (64, 64)  # what the scripted engine draws
    sized = {**body, "resize_mode": 1, "upscaling_resize_w": 50, "upscaling_resize_h": 40}
    assert decode(client.post("/sdapi/v1/extra-single-image", json=sized).json()["image"]).size == (50, 40)
    images = [{"data": PICTURE_64, "name": "a"}, {"data": PICTURE_64, "name": "b"}]
    several = client.post("/sdapi/v1/extra-batch-images", json={**body, "imageList": images}).json()
    assert len(several["images"]) == 2
    unknown = client.post("/sdapi/v1/extra-single-image", json={**body, "upscaler_1": "ESRGAN_4x"})
    assert unknown.status_code == 404 and "starter-x4" in unknown.json()["detail"]


def test_the_settings_in_a_picture_are_read_by_name(client: httpx.Client) -> None:
    made = generate(client, prompt="a cat, red", seed=5)["images"][0]
    read = client.post("/sdapi/v1/png-info", json={"image": "data:image/png;base64," + made}).json()
    assert read["info"].startswith("a cat, red\nSteps: 1")
    assert (read["parameters"]["Prompt"], read["parameters"]["Seed"], read["parameters"]["Steps"]) == ("a cat, red", 5, 1)
    assert client.post("/sdapi/v1/png-info", json={"image": PICTURE_64}).json()["parameters"] == {}


def wait_for(test: object, seconds: float = 60) -> None:
    """Until ``test()`` is true."""
    assert callable(test)
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_progress_is_shown_and_interrupt_answers_with_what_is_ready(client: httpx.Client, served: Served) -> None:
    answers: list[JsonObject] = []
    idle = client.get("/sdapi/v1/progress").json()
    assert idle["progress"] == 0 and idle["state"]["job_count"] == 0
    held = threading.Thread(target=lambda: answers.append(generate(client, prompt="script: wait")))
    held.start()
    wait_for(lambda: client.get("/sdapi/v1/progress").json()["state"]["job_count"] == 1)
    assert client.get("/sdapi/v1/progress?skip_current_image=true").json()["progress"] > 0
    wait_for(lambda: last_job(served).state == "running")
    assert client.post("/sdapi/v1/interrupt").json() == {}
    held.join(60)
    assert answers[0]["images"] == [] and last_job(served).state == "cancelled"


def test_a_client_that_hangs_up_stops_its_job(client: httpx.Client, served: Served) -> None:
    with pytest.raises(httpx.ReadTimeout):
        client.post(GENERATE, json={"prompt": "script: wait"}, timeout=3)
    wait_for(lambda: last_job(served).over)
    assert last_job(served).state == "cancelled"


def test_no_state_goes_from_one_request_into_the_next(client: httpx.Client) -> None:
    a = {"prompt": "a cat", "seed": 1, "override_settings": {"CLIP_stop_at_last_layers": 2, "sd_vae": "Automatic"}}
    b = {"prompt": "a dog", "seed": 2, "sampler_name": "DDIM", "batch_size": 2}
    made = [[decode(image).tobytes() for image in generate(client, **body)["images"]] for body in (a, b, a, b)]
    assert made[0] == made[2] and made[1] == made[3]
    assert client.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 1


EMPTY_LISTS = ("hypernetworks", "face-restorers", "realesrgan-models", "artists", "artist-categories", "loras", "sd-vae")


def test_every_list_that_clients_ask_for_is_there(client: httpx.Client) -> None:
    for name in EMPTY_LISTS:
        assert client.get(f"/sdapi/v1/{name}").json() == []
    assert {"name", "aliases", "options"} <= client.get("/sdapi/v1/samplers").json()[0].keys()
    assert {"name", "label"} <= client.get("/sdapi/v1/schedulers").json()[0].keys()
    assert client.get("/sdapi/v1/embeddings").json().keys() == {"loaded", "skipped"}
    assert client.get("/sdapi/v1/scripts").json().keys() == {"txt2img", "img2img"}
    assert client.get("/sdapi/v1/memory").json().keys() == {"ram", "cuda"}
    assert client.get("/queue/status").json()["queue_size"] == 0
    assert client.get("/controlnet/model_list").json() == {"model_list": []}
    for name in ("refresh-checkpoints", "refresh-loras", "unload-checkpoint", "reload-checkpoint"):
        assert client.post(f"/sdapi/v1/{name}").json() == {}
    assert client.get("/sdapi/v1/nothing").status_code == 404


def test_the_extension_for_controls_lists_and_makes_maps(client: httpx.Client) -> None:
    modules = client.get("/controlnet/module_list").json()["module_list"]
    types = client.get("/controlnet/control_types").json()["control_types"]
    assert "canny" in modules and types["All"]["module_list"] == modules and types["Canny"]["default_option"] == "canny"
    assert client.get("/controlnet/settings").json() == {"control_net_unit_count": 4}
    picture = Image.new("RGB", (40, 80), "white")
    picture.paste("black", (10, 20, 30, 60))
    body = {"controlnet_input_images": [to_base64(encode(picture))] * 2, "controlnet_processor_res": 64}
    for module in modules:
        answer = client.post("/controlnet/detect", json={**body, "controlnet_module": module}).json()
        assert [decode(each).size for each in answer["images"]] == [(64, 128)] * 2, module
    edges = decode(client.post("/controlnet/detect", json={**body, "controlnet_module": "canny"}).json()["images"][0])
    assert edges.convert("L").getextrema() == (0, 255) and edges.convert("L").getpixel((32, 64)) == 0
    refused = [{"controlnet_module": "openpose_full"}, {"controlnet_input_images": []}, {"controlnet_input_images": ["bm9uZQ=="]}]
    for change, word in zip(refused, ("openpose_full", "No image", ""), strict=True):
        answer = client.post("/controlnet/detect", json={**body, "controlnet_module": "canny", **change})
        assert answer.status_code == 422 and word in answer.json()["detail"]


def test_a_second_larger_pass(client: httpx.Client, served: Served) -> None:
    body = {
        "enable_hr": True, "width": 64, "height": 48, "hr_scale": 1.5, "hr_upscaler": "Latent (nearest)",
        "hr_sampler_name": "DDIM", "hr_second_pass_steps": 3, "denoising_strength": 0.5, "hr_prompt": "another",
    }  # fmt: skip
    notes = json.loads(generate(client, prompt="x", **body)["info"])["notes"]
    request = last_request(served)
    assert isinstance(request, TextToImage) and request.hires
    assert (request.first_width, request.first_height, request.width, request.height) == (64, 48, 96, 72)
    assert (request.hires_upscaler, request.hires_steps, request.hires_strength) == ("latent", 3, 0.5)
    assert request.hires_scheduler == "DDIM" and any("hr_prompt" in note for note in notes)
    generate(client, prompt="x", enable_hr=True, width=64, height=48, hr_resize_x=128, hr_resize_y=0)
    request = last_request(served)
    assert isinstance(request, TextToImage) and (request.width, request.height) == (128, 96)
    generate(client, prompt="x", enable_hr=False)
    request = last_request(served)
    assert isinstance(request, TextToImage) and request.hires is None, "clients send false by habit"


def test_a_unit_of_controlnet_that_is_not_here_is_left_out_and_said(client: httpx.Client) -> None:
    unit = {"module": "canny", "model": "control_v11p_sd15_canny [d14c016b]", "weight": 0.5, "control_mode": 1}
    asked = {"alwayson_scripts": {"ControlNet": {"args": [unit, {**unit, "enabled": False}]}}}
    notes = json.loads(generate(client, prompt="x", **asked)["info"])["notes"]
    assert len(notes) == 1 and "controlnet" in notes[0] and "control_v11p_sd15_canny" in notes[0]
