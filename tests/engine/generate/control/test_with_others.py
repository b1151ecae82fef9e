"""Controls beside everything else that a request can ask for; what is left behind in the worker; and pictures of every kind."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from PIL import Image

from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.control_networks import fits
from engine.errors import CancelledError, EaselError, ImageError
from engine.events import ImageSaved, Notice, Step
from engine.generate.control.maps import preview_map
from engine.local import Local
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import Control, GenerationRequest, ImageToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import controls as tiny_controls
from tests.engine.generate.control.drawing import SIDE, STEPS, Studio, ask, draw, store

STARTER = Path(__file__).parents[4] / "models" / "starter"


@pytest.fixture(scope="module")
def studio_with_controls(studio: Studio) -> Studio:
    for family in ("sd1", "xl"):
        tiny_controls.write_controls(studio[1].models / "controlnet", family)
        tiny_controls.write_adapters(studio[1].models / "controlnet", family)
    tiny_controls.write_control_lora(studio[1].models / "controlnet", "sd1")
    return studio


def repaint(studio: Studio, request: GenerationRequest) -> ImageToImage:
    """The same as a repaint of the left half."""
    mask = Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (0, 0, SIDE // 2, SIDE))
    blobs = Blobs(studio[1].data / "blobs")
    words = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    return ImageToImage(**words, init_image=store(studio, 5), mask_image=blobs.put(mask), strength=0.8)


BESIDE: dict[str, Callable[[Studio, Control], GenerationRequest]] = {
    "a LoRA": lambda _, control: dataclasses.replace(ask("sd1", control), prompt="a cat <lora:one:1>"),
    "a refiner": lambda _, control: ask("xl", control, refiner="xl_refiner", refiner_start=0.5),
    "a mask": lambda studio, control: repaint(studio, ask("sd1", control)),
    "a batch": lambda _, control: ask("sd1", control, count=3),
    "a composed prompt": lambda _, control: dataclasses.replace(ask("sd1", control), prompt="a cat AND a dog"),
    "no guidance": lambda _, control: dataclasses.replace(ask("sd1", control), guidance_scale=1.0),
    "fewer layers": lambda _, control: ask("sd1", control, speed="balanced"),
}


@pytest.mark.parametrize("beside", BESIDE)
def test_what_was_drawn_before_changes_nothing(beside: str, studio_with_controls: Studio) -> None:
    studio, family = studio_with_controls, "xl" if beside == "a refiner" else "sd1"
    one = Control(model=f"{family} folder", image=store(studio))
    two = Control(model=f"{family} t2i original", image=store(studio, 1), weight=0.6, end=0.67)
    other = dataclasses.replace(ask(family, two), prompt="a house")
    a, b = BESIDE[beside](studio, one), BESIDE[beside](studio, two)
    first = [draw(studio, request)[0] for request in (a, b, other)]
    again = [draw(studio, request)[0] for request in (a, b, other)]
    for before, after in zip(first, again, strict=True):
        np.testing.assert_array_equal(before, after)
    plain = draw(studio, dataclasses.replace(a, controls=()))[0]
    assert (first[0] != plain).any() and (first[1] != plain).any() and (first[0] != first[1]).any()


@pytest.mark.parametrize("model", ["sd1 folder", "sd1 t2i folder", "sd1 control lora"])
def test_stop_ends_a_controlled_picture_and_leaves_nothing(model: str, studio_with_controls: Studio) -> None:
    studio = studio_with_controls
    request = ask("sd1", Control(model=model, image=store(studio)))
    wanted, stop, steps = draw(studio, request)[0], Stop(), 0
    with pytest.raises(CancelledError):
        for event in studio[0].run(f"stop {model}", request, stop):
            steps += isinstance(event, Step)
            stop.set()
    assert steps < STEPS
    np.testing.assert_array_equal(draw(studio, request)[0], wanted)


@pytest.mark.parametrize(("owner", "method", "measure"), [
    pytest.param(diffusers.UNet2DConditionModel, "forward", "batch_split", marks=pytest.mark.long),
    (diffusers.ControlNetModel, "forward", "batch_split"),
    pytest.param(diffusers.AutoencoderKL, "decode", "vae_tiles", marks=pytest.mark.long),
])  # fmt: skip
def test_memory_that_runs_out_beside_a_control_costs_one_rung(
    owner: Any, method: str, measure: str, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_controls.write_controls(tmp_path / "controlnet", "sd1")
    settings = Settings(
        models=tiny_models, extra_models=(tmp_path / "controlnet",), data=tmp_path / "data", outputs=tmp_path / "outputs",
        precision="float32",
    )  # fmt: skip
    real, calls = getattr(owner, method), 0

    def short(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(*arguments, **named)

    with Local(settings) as local:
        request = ask("sd1", Control(model="sd1 folder", image=store((local, settings))))
        wanted = draw((local, settings), request)[0]
        monkeypatch.setattr(owner, method, short)
        events = list(local.run("short", request, Stop()))
        record = metadata.read(next(event.result.path for event in events if isinstance(event, ImageSaved)))
        made = draw((local, settings), request)[0]
    assert record is not None and record.resolved.plan.measures == (measure,)
    assert [event for event in events if isinstance(event, Notice) and "Memory ran out" in event.text]
    assert np.abs(made - wanted).max() <= 3


def test_a_controlnet_of_the_starters_architecture_draws(tmp_path: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(STARTER / "unet")
    torch.manual_seed(0)
    for name, widths in {"own": (16, 16, 32, 64, 96), "for larger latents": (16, 32, 96)}.items():
        network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=widths)
        with torch.no_grad():
            for path, weight in network.named_parameters():
                if path.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
                    weight.normal_(0, 0.05)
        network.save_pretrained(tmp_path / "controlnet" / name)
    settings = Settings(
        models=STARTER.parent, extra_models=(tmp_path / "controlnet",), data=tmp_path / "data", outputs=tmp_path / "outputs"
    )
    inventory = Catalogue(settings).scan()
    starter = inventory.find("starter")
    assert {each.name: fits(each, starter) for each in inventory.of_kind("controlnet")} == {
        "own": True,
        "for larger latents": False,
    }
    with Local(settings) as local:
        studio = local, settings
        plain = dataclasses.replace(ask("starter"), width=128, height=128, steps=2)
        drawn = [draw(studio, each)[0] for each in (plain, dataclasses.replace(
            plain, controls=(Control(model="own", image=store(studio)),)
        ))]  # fmt: skip
    assert drawn[0].shape == drawn[1].shape and (drawn[0] != drawn[1]).any()


def test_every_orientation_of_a_photo_gives_the_same_map(studio_with_controls: Studio) -> None:
    _, settings = studio_with_controls
    blobs, upright = Blobs(settings.data / "blobs"), Image.fromarray(np.arange(12 * 8 * 3, dtype=np.uint8).reshape(8, 12, 3))
    undo = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    network = Catalogue(settings).scan().find("sd1 folder", "controlnet")
    maps: set[bytes] = set()
    for orientation, turn in undo.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = settings.data / f"turned {orientation}.png"
        (upright if turn is None else upright.transpose(turn)).save(path, exif=exif)
        made = preview_map(Control(model="sd1 folder", image=blobs.put_file(path)), network, blobs, 12, 8)
        maps.add(np.asarray(Image.open(io.BytesIO(made))).tobytes())
    assert maps == {np.asarray(upright).tobytes()}


ODD: dict[str, tuple[Callable[[], Image.Image], str]] = {
    "another aspect": (lambda: Image.effect_noise((60, 20), 50).convert("RGB"), "another shape"),
    "another size": (lambda: Image.effect_noise((90, 90), 50).convert("RGB"), ""),
    "30,000 pixels": (lambda: Image.effect_noise((30_000, 24), 50), "another shape"),
    "transparent": (lambda: Image.new("RGBA", (SIDE, SIDE), (255, 0, 0, 0)), "one colour"),
    "half transparent": (lambda: Image.merge("RGBA", [Image.effect_noise((SIDE, SIDE), 50)] * 4), ""),
    "16 bits": (lambda: Image.fromarray(np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE) * 200), ""),
}


@pytest.mark.parametrize("kind", ODD)
def test_pictures_of_every_kind_are_fitted_and_what_is_odd_is_said(kind: str, studio_with_controls: Studio) -> None:
    studio, (create, word) = studio_with_controls, ODD[kind]
    image = Blobs(studio[1].data / "blobs").put(create())
    for preprocessor in ("none", "canny", "inpaint"):
        made, notices = draw(studio, ask("sd1", Control(model="sd1 folder", image=image, preprocessor=preprocessor)))
        assert made.shape == (SIDE, SIDE, 3)
        if word and preprocessor == "none":
            assert [text for text in notices if word in text], notices


def test_a_picture_that_is_broken_or_gone_is_a_sentence(studio_with_controls: Studio) -> None:
    studio = studio_with_controls
    blobs, path = Blobs(studio[1].data / "blobs"), studio[1].data / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(EaselError):
        blobs.put_file(path)
    image = store(studio, 77)
    blobs.path(image).write_bytes(b"broken")
    for name in (image, "0" * 64):
        with pytest.raises(ImageError, match="Control 1"):
            draw(studio, ask("sd1", Control(model="sd1 folder", image=name)))
