"""webuiapi, A1111's usual client, as its index publishes it, over real HTTP: every call that it has for A1111 itself."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

import pytest
import webuiapi
from PIL import Image

from tests.api.images import PICTURE
from tests.api.serving import Served


@pytest.fixture(scope="module")
def speaking(served: Served) -> webuiapi.WebUIApi:
    address = urlsplit(served.url)
    return webuiapi.WebUIApi(host=address.hostname, port=address.port, sampler="Euler a", scheduler="automatic", steps=2)


@pytest.fixture
def picture() -> Image.Image:
    return Image.open(io.BytesIO(PICTURE))


def test_pictures_are_drawn(speaking: webuiapi.WebUIApi) -> None:
    made = speaking.txt2img(prompt="a cat", seed=3, batch_size=2, width=64, height=64)
    assert [image.size for image in made.images] == [(64, 64)] * 2
    assert made.info["all_seeds"] == [3, 4] and made.parameters["prompt"] == "a cat"
    assert made.info["notes"] == []


def test_a_picture_is_changed_and_a_part_of_it(speaking: webuiapi.WebUIApi, picture: Image.Image) -> None:
    assert speaking.img2img(images=[picture], prompt="a cat", width=64, height=64).image.size == (64, 64)
    mask = Image.new("L", picture.size, 255)
    made = speaking.img2img(images=[picture], mask_image=mask, prompt="a cat", width=64, height=64, inpainting_fill=1)
    assert made.image.size == (64, 64) and made.info["notes"] == []


def test_pictures_are_made_larger(speaking: webuiapi.WebUIApi, picture: Image.Image) -> None:
    assert speaking.extra_single_image(picture, upscaler_1="Lanczos").image
    assert len(speaking.extra_batch_images([picture, picture], upscaler_1="Lanczos").images) == 2
    assert speaking.extra_single_image(picture).image.size == picture.size


def test_settings_are_read_and_a_fault_is_raised(speaking: webuiapi.WebUIApi, picture: Image.Image) -> None:
    assert speaking.png_info(picture).info == ""
    with pytest.raises(RuntimeError, match="describe"):
        speaking.interrogate(picture)
    with pytest.raises(RuntimeError, match="Sampler not found"):
        speaking.txt2img(prompt="x", sampler_name="none such")


GETTERS = (
    "get_options", "get_cmd_flags", "get_progress", "get_samplers", "get_sd_vae", "get_upscalers", "get_latent_upscale_modes",
    "get_loras", "get_sd_models", "get_hypernetworks", "get_face_restorers", "get_realesrgan_models", "get_prompt_styles",
    "get_artist_categories", "get_artists", "refresh_checkpoints", "get_scripts", "get_embeddings", "get_memory",
    "get_schedulers", "interrupt", "skip", "controlnet_version", "controlnet_model_list", "controlnet_module_list",
    "util_get_model_names", "util_get_sampler_names", "util_get_scheduler_names", "util_get_current_model",
)  # fmt: skip


@pytest.mark.parametrize("name", GETTERS)
def test_every_getter_gets_an_answer(speaking: webuiapi.WebUIApi, name: str) -> None:
    answer = getattr(speaking, name)()
    assert not (isinstance(answer, dict) and "error" in answer)


def test_the_model_is_chosen_by_its_name(speaking: webuiapi.WebUIApi) -> None:
    speaking.util_set_model("starter")
    assert speaking.util_get_current_model().startswith("starter")
    speaking.util_wait_for_ready()
