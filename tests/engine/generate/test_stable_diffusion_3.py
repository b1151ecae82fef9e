"""Stable Diffusion 3 walks the whole road: Easel's own loop draws what diffusers' pipeline draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.errors import CancelledError, CheckpointError
from engine.events import Notice, Step
from engine.local import Local
from engine.records.recall import recall
from engine.requests import CompareNegative, ImageToImage, StudyNegative, TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import tiny, tiny_sd3
from tests.engine.generate.conftest import Engine

PROMPT, NEGATIVE = "a cat on grass", "dog, red"


@pytest.fixture(scope="session")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine over folders of tiny checkpoints, one as a single file too."""
    folder = tmp_path_factory.mktemp("sd3-engine")
    settings = Settings(
        models=folder / "models", data=folder / "data", outputs=folder / "outputs", device="cpu", precision="float32"
    )
    for kind in ("sd3_medium", "sd35_medium"):
        tiny_sd3.pipeline(kind).save_pretrained(settings.models / kind)
    with Local(settings) as local:
        torch.set_num_threads(1)
        yield Engine(local, settings)


def drawn_by_diffusers(kind: str, steps: int = 4, **options: Any) -> Image.Image:
    made = tiny_sd3.pipeline(kind)
    made.scheduler.set_shift(3.0)
    with torch.inference_mode():
        answer = made(
            prompt=PROMPT, height=32, width=32, num_inference_steps=steps, generator=torch.Generator().manual_seed(5),
            output_type="pt", **options,
        )  # fmt: skip
    levels = (answer.images[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
    return Image.fromarray(levels.numpy())


def ask(**changes: Any) -> TextToImage:
    asked = TextToImage(prompt=PROMPT, checkpoint="sd35_medium", width=32, height=32, steps=4, guidance_scale=4.5, seed=5)
    return dataclasses.replace(asked, **changes)


@pytest.mark.parametrize("kind", ["sd3_medium", "sd35_medium"])
@pytest.mark.parametrize("guidance, negative", [(1.0, ""), (4.5, ""), (4.5, NEGATIVE)])
def test_the_picture_is_that_of_diffusers(sd3: Engine, kind: str, guidance: float, negative: str) -> None:
    asked = ask(checkpoint=kind, guidance_scale=guidance, negative_prompt=negative)
    mine, _ = sd3.run(asked, f"same-{kind}-{int(guidance)}-{len(negative)}".replace("_", "-"))
    theirs = drawn_by_diffusers(kind, guidance_scale=guidance, negative_prompt=negative)
    assert np.abs(np.asarray(mine, int) - np.asarray(theirs, int)).max() <= 1


def copy_without_t5(folder: Path, target: Path) -> None:
    for source in sorted(folder.rglob("*")):
        if source.is_file() and source.parent.name != "text_encoder_3":
            path = target / source.relative_to(folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read_bytes())


def test_without_t5_the_picture_is_that_of_diffusers_without_it(sd3: Engine, tmp_path: Path) -> None:
    copy_without_t5(sd3.settings.models / "sd3_medium", tmp_path / "models" / "small")
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "out", device="cpu")
    with Local(dataclasses.replace(settings, precision="float32")) as local:
        mine, events = Engine(local, settings).run(ask(checkpoint="small"), "no-t5")
    made = tiny_sd3.pipeline("sd3_medium")
    t5, made.text_encoder_3 = made.text_encoder_3, None
    try:
        theirs = drawn_by_diffusers("sd3_medium", guidance_scale=4.5)
    finally:
        made.text_encoder_3 = t5
    assert np.abs(np.asarray(mine, int) - np.asarray(theirs, int)).max() <= 1
    assert any("T5 is left out" in event.text for event in events if isinstance(event, Notice))


def test_another_sampler_is_replaced_by_one_that_fits_and_that_is_said(sd3: Engine) -> None:
    euler, _ = sd3.run(ask(), "euler")
    other, events = sd3.run(ask(scheduler="DDIM"), "ddim")
    assert other.tobytes() == euler.tobytes()
    assert any("DDIM has no method" in event.text for event in events if isinstance(event, Notice))


def test_image_to_image_keeps_what_the_mask_leaves_and_comparison_and_study_draw(sd3: Engine) -> None:
    blue, half = Image.new("RGB", (32, 32), "blue"), Image.new("L", (32, 32), 0)
    half.paste(255, (16, 0, 32, 32))
    given = {"init_image": sd3.blobs.put(blue), "mask_image": sd3.blobs.put(half), "feather": 0}
    plain = vars(ask(negative_prompt=NEGATIVE))
    asked = {name: value for name, value in plain.items() if name in {each.name for each in dataclasses.fields(CompareNegative)}}
    painted, _ = sd3.run(ImageToImage(**{**asked, **given, "strength": 0.7}), "painted")
    assert painted.crop((0, 0, 16, 32)).tobytes() == blue.crop((0, 0, 16, 32)).tobytes()
    assert painted.crop((16, 0, 32, 32)).tobytes() != blue.crop((16, 0, 32, 32)).tobytes()
    same, _ = sd3.run(ImageToImage(**{**asked, "init_image": given["init_image"], "strength": 0.0}), "same")
    assert same.tobytes() == blue.tobytes()
    alone, _ = sd3.run(ask(), "alone")
    compared, _ = sd3.run(CompareNegative(**asked), "compared")
    assert compared.tobytes() == alone.tobytes()
    silenced, _ = sd3.run(StudyNegative(**asked), "study")
    assert silenced.size == (32, 32)


def test_weights_and_long_prompts_change_the_picture(sd3: Engine) -> None:
    prompts = ("a cat on grass", "a (cat:1.4) on grass", "a cat on grass" + ", red dog" * 40)
    assert len({sd3.run(ask(prompt=prompt), f"prompt-{i}")[0].tobytes() for i, prompt in enumerate(prompts)}) == 3


def test_skip_layer_guidance_is_that_of_diffusers(sd3: Engine) -> None:
    mine, _ = sd3.run(ask(steps=12, guidance="slg"), "slg")
    theirs = drawn_by_diffusers(
        "sd35_medium", 12, guidance_scale=4.5, skip_guidance_layers=[7, 8, 9], skip_layer_guidance_scale=2.8,
        skip_layer_guidance_start=0.01, skip_layer_guidance_stop=0.2,
    )  # fmt: skip
    assert np.abs(np.asarray(mine, int) - np.asarray(theirs, int)).max() <= 1
    assert mine.tobytes() != sd3.run(ask(steps=12), "cfg")[0].tobytes()
    _, events = sd3.run(ask(guidance="slg", checkpoint="sd3_medium"), "no-slg")
    assert any("Skip-layer guidance" in event.text for event in events if isinstance(event, Notice))


def test_what_t5_does_not_read_of_a_prompt_is_said_once(sd3: Engine) -> None:
    long, short = "cat, " * 200, "cat"
    for prompt, negative in ((long, short), (short, long), (short, short)):
        _, events = sd3.run(ask(prompt=prompt, negative_prompt=negative, count=2, steps=1), f"cut-{len(prompt)}-{len(negative)}")
        said = [event.text for event in events if isinstance(event, Notice) and "longer than T5 reads" in event.text]
        names = [name for name, text in (("prompt", prompt), ("negative prompt", negative)) if text == long]
        assert [text.split(" is longer")[0] for text in said] == [f"The {name}" for name in names]


def test_a_side_beyond_the_positions_that_the_transformer_knows_is_bounded(sd3: Engine) -> None:
    """The tiny one knows 24 positions of 2 x 2 latents, of 2 x 2 pixels each."""
    image, events = sd3.run(ask(width=112, steps=1), "large")
    assert image.size == (96, 32)
    assert any("width is 96 instead of 112" in event.text for event in events if isinstance(event, Notice))


def test_an_image_of_a_batch_is_the_one_that_its_record_makes_alone(sd3: Engine) -> None:
    results = sd3.local.make(ask(count=2, guidance="slg", steps=12))
    recalled = recall(results[1].path, (), ())
    assert recalled is not None and recalled.notes == () and recalled.request.seed == 6
    (again,) = sd3.local.make(recalled.request)
    with Image.open(results[1].path) as first, Image.open(again.path) as second:
        assert first.tobytes() == second.tobytes()


def test_a_live_draft_draws_and_stop_is_heard(sd3: Engine) -> None:
    plain = {name: value for name, value in vars(ask()).items() if name not in ("width", "height")}
    sketch = sd3.blobs.put(Image.new("RGB", (32, 32), "blue"))
    asked = ImageToImage(**plain, width=32, height=32, init_image=sketch, strength=0.7, draft=True)
    image, _ = sd3.run(asked, "live")
    assert image.size == (32, 32)
    stop = Stop()
    with pytest.raises(CancelledError):
        for event in sd3.local.run("stopped", dataclasses.replace(asked, steps=50), stop):
            if isinstance(event, Step):
                stop.set()


def test_a_vae_is_chosen_and_one_of_other_latents_is_refused(tmp_path: Path) -> None:
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "out", device="cpu")
    made = tiny_sd3.pipeline("sd3_medium")
    made.save_pretrained(settings.models / "small")
    torch.manual_seed(9)
    save_file(tiny_sd3.vae().state_dict(), settings.models / "other_sd3_vae.safetensors")
    save_file(tiny.vae().state_dict(), settings.models / "four.safetensors")
    with Local(dataclasses.replace(settings, precision="float32")) as local:
        engine = Engine(local, settings)
        own, _ = engine.run(ask(checkpoint="small"), "own")
        chosen, _ = engine.run(ask(checkpoint="small", vae="other_sd3_vae"), "chosen")
        with pytest.raises(CheckpointError, match=r"latents of 4 channels.*draws latents of 16"):
            engine.run(ask(checkpoint="small", vae="four"), "four")
    assert not np.array_equal(np.asarray(own), np.asarray(chosen))
