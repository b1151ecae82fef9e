"""LoRAs, embeddings, VAEs, clip skip and the refiner from the request to the image, with nothing left behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine import preferences
from engine.checkpoints.library.catalogue import Catalogue, Inventory
from engine.errors import CheckpointError, RequestError
from engine.events import Notice
from engine.local import Local
from engine.preferences import Preferences
from engine.records import metadata
from engine.records.images import watermark
from engine.requests import TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import additions, tiny

Studio = tuple[Local, Settings]


def picture(studio: Studio, prompt: str = "a cat", checkpoint: str = "sd1", **more: object) -> np.ndarray:
    """Pixels of an image, height x width x 3, 0 to 255."""
    few = {"seed": 3, "steps": 2, "width": 16, "height": 16, "scheduler": "DDIM", **more}
    asked = TextToImage(prompt=prompt, checkpoint=checkpoint, **few)  # type: ignore[arg-type]
    (result,) = studio[0].make(asked)
    with Image.open(result.path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


def apart(one: np.ndarray, other: np.ndarray) -> int:
    """The largest difference of two images, in levels."""
    return int(np.abs(one - other).max())


@pytest.mark.parametrize(
    ("tags", "merged"),
    [
        ("<lora:one:0.5>", {1: (0.5, 0.5)}),
        ("<lora:one peft:0.5>", {1: (0.5, 0.5)}),
        ("<lora:one:0.5:0.25>", {1: (0.5, 0.25)}),
        ("<lora:one:0.5><lora:two:-0.3>", {1: (0.5, 0.5), 2: (-0.3, -0.3)}),
    ],
)
def test_a_lora_is_its_matrices_added_to_the_weights(studio: Studio, tags: str, merged: dict[int, tuple[float, float]]) -> None:
    pipeline = tiny.pipeline("sd1")
    for seed, (words, unet) in merged.items():
        additions.merge(pipeline, seed, words, unet)
    name = "merged " + "".join(c for c in tags if c.isalnum())
    pipeline.save_pretrained(studio[1].models / name)
    plain = picture(studio)
    with_lora = picture(studio, f"a cat {tags}")
    assert apart(with_lora, picture(studio, checkpoint=name)) <= 1
    assert apart(with_lora, plain) > 5
    assert apart(picture(studio), plain) == 0


XL_LAYERS = {
    "unet": ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 2 * tiny.WIDTH),
    "text_encoder": ("encoder.layers.0.self_attn.out_proj", tiny.WIDTH),
    "text_encoder_2": ("encoder.layers.0.self_attn.out_proj", tiny.WIDTH),
}
"""Component -> the layer that the LoRA below changes, and the sides of its square matrix."""

XL_NAMES = {
    "diffusers blocks": "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k",
    "original blocks": "lora_unet_input_blocks_3_1_transformer_blocks_0_attn2_to_k",
}
"""Both namings of XL's UNet that kohya-ss/sd-scripts writes (networks/lora.py; the original one is its default for XL)."""


@pytest.mark.parametrize("naming", XL_NAMES)
def test_a_lora_for_xl_changes_unet_and_both_text_encoders(studio: Studio, naming: str) -> None:
    prefixes = {
        "unet": XL_NAMES[naming],
        "text_encoder": "lora_te1_text_model_encoder_layers_0_self_attn_out_proj",
        "text_encoder_2": "lora_te2_text_model_encoder_layers_0_self_attn_out_proj",
    }
    pipeline, generator = tiny.pipeline("xl"), torch.Generator().manual_seed(8)
    weights: dict[str, torch.Tensor] = {}
    for component, (layer, side) in XL_LAYERS.items():
        down, up = torch.randn(2, side, generator=generator), torch.randn(side, 2, generator=generator)
        name = prefixes[component]
        weights |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(1.0)}
        part = getattr(pipeline, component)
        with torch.no_grad():
            getattr(part, "text_model", part).get_submodule(layer).weight += 0.5 * (1.0 / 2) * up @ down
    save_file(weights, studio[1].models / "loras" / f"xl {naming}.safetensors", {"ss_base_model_version": "sdxl_base_v1-0"})
    pipeline.save_pretrained(studio[1].models / f"merged xl {naming}")
    with_lora = picture(studio, f"a cat <lora:xl {naming}:0.5>", "xl")
    assert apart(with_lora, picture(studio, checkpoint=f"merged xl {naming}")) <= 1
    assert apart(with_lora, picture(studio, checkpoint="xl")) > 5


def test_a_lora_for_another_family_or_that_is_gone_is_said(studio: Studio) -> None:
    with pytest.raises(CheckpointError, match="“for xl” was made for Stable Diffusion XL, and “sd1” is Stable Diffusion 1"):
        picture(studio, "a cat <lora:for xl:1>")
    with pytest.raises(CheckpointError, match=r"no LoRA called “gone”.*take its tag"):
        picture(studio, "a cat <lora:gone:1>")
    assert apart(picture(studio), picture(studio)) == 0


@pytest.mark.parametrize(("word", "checkpoint"), [("zorble", "sd1"), ("zorble", "sd2_base"), ("zorblexl", "xl")])
def test_an_embedding_is_a_word_while_it_is_named(studio: Studio, word: str, checkpoint: str) -> None:
    plain = picture(studio, "a cat", checkpoint)
    learned = picture(studio, f"a {word}", checkpoint)
    assert apart(learned, plain) > 5
    assert apart(learned, picture(studio, "a zorb", checkpoint)) > 5
    assert apart(picture(studio, "a cat", checkpoint), plain) == 0


def test_both_layouts_of_an_embedding_say_the_same(studio: Studio) -> None:
    assert apart(picture(studio, "a zorble"), picture(studio, "a zorble-st")) == 0
    assert apart(picture(studio, negative_prompt="zorble"), picture(studio)) > 5


def test_another_vae_decodes(studio: Studio) -> None:
    pipeline = tiny.pipeline("sd1")
    pipeline.vae = additions.vae()
    pipeline.save_pretrained(studio[1].models / "with its vae")
    plain = picture(studio)
    assert apart(picture(studio, vae="another"), picture(studio, checkpoint="with its vae")) <= 1
    assert apart(picture(studio), plain) == 0
    with pytest.raises(CheckpointError, match="no VAE called “gone”"):
        picture(studio, vae="gone")


def test_clip_skip_takes_an_earlier_layer(studio: Studio) -> None:
    assert apart(picture(studio, clip_skip=2), picture(studio)) > 1
    assert apart(picture(studio, clip_skip=1), picture(studio)) == 0


def test_the_refiner_takes_over(studio: Studio) -> None:
    base, half, whole, none = (
        picture(studio, checkpoint="xl", steps=4, refiner=refiner, refiner_start=start)
        for refiner, start in ((None, 0.5), ("xl_refiner", 0.5), ("xl_refiner", 0.0), ("xl_refiner", 1.0))
    )
    assert min(apart(base, half), apart(half, whole), apart(base, whole)) > 3
    assert apart(none, base) == 0
    with pytest.raises(CheckpointError, match="Choose an XL checkpoint"):
        picture(studio, checkpoint="sd1", refiner="xl_refiner")
    with pytest.raises(CheckpointError, match="not a refiner"):
        picture(studio, checkpoint="xl", refiner="xl")
    with pytest.raises(RequestError, match="share of the steps"):
        picture(studio, checkpoint="xl", refiner="xl_refiner", refiner_start=8.0)


def test_the_record_says_what_was_added(studio: Studio) -> None:
    asked = TextToImage(prompt="a zorble <lora:one:0.5>", checkpoint="sd1", vae="another", steps=1, width=16, height=16)
    record = metadata.read(studio[0].make(asked)[0].path)
    assert record is not None
    assert record.resolved.request.prompt == asked.prompt and record.resolved.request.vae == "another"
    assert {"lora one", "embedding zorble", "vae another"} <= record.resolved.environment.keys()


def test_standing_choices_count_from_the_next_picture_on(tmp_path: Path) -> None:
    settings = dataclasses.replace(Settings(), data=tmp_path / "data", outputs=tmp_path / "outputs")
    large, small = (TextToImage(prompt="a cat", checkpoint="starter", steps=1, width=side, height=side) for side in (256, 64))
    with Local(settings) as local:
        preferences.write(settings.data, Preferences(leave_metadata_out=True, watermark="mine"))
        (plain,) = local.make(large)
        with Image.open(plain.path) as image:
            assert watermark.decode(image, ("mine",)) == "mine"
        assert metadata.read(plain.path) is None
        said = [event.text for event in local.run("small", small, Stop()) if isinstance(event, Notice)]
        assert any("without the invisible watermark" in text for text in said)
        preferences.write(settings.data, Preferences())
        assert metadata.read(local.make(large)[0].path) is not None


def test_one_image_takes_one_scan_of_the_catalogue(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[Inventory] = []
    scan = Catalogue.scan

    def count(catalogue: Catalogue) -> Inventory:
        scans.append(scan(catalogue))
        return scans[-1]

    monkeypatch.setattr(Catalogue, "scan", count)
    picture(studio, "a cat <lora:one:0.5>")
    assert len(scans) == 1
