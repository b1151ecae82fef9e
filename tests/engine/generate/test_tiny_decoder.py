"""Tiny autoencoders (TAESD): told by content and name, in every layout; the previews; and decoding under Draft."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.checkpoints.families import BY_NAME
from engine.checkpoints.identify.identify import identify
from engine.checkpoints.identify.identity import Identity
from engine.checkpoints.library import overrides
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.entry import CheckpointEntry, entry_for
from engine.checkpoints.library.overrides import Override
from engine.checkpoints.library.tiny_decoders import find_tiny_decoder
from engine.checkpoints.load.tiny_decoder import load_tiny_decoder
from engine.errors import CheckpointError
from engine.events import Event, ImageSaved, Notice, Step
from engine.generate import estimate
from engine.generate.decode import begin_preview, match_tiny_decoder
from engine.local import Local
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import ExecutionPlan, ImageToImage, Request, TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import tiny
from ui.tabs.checkpoints.view import render_inventory

Weights = dict[str, torch.Tensor]


def make(channels: int = 4) -> diffusers.AutoencoderTiny:
    torch.manual_seed(channels)
    return diffusers.AutoencoderTiny(latent_channels=channels).eval()


def in_original_layout(made: diffusers.AutoencoderTiny) -> tuple[Weights, Weights]:
    """Decoder and encoder, as in github.com/madebyollin/taesd, where the decoder begins with a clamp."""

    def rename(part: torch.nn.Module, shift: int) -> Weights:
        split = ((name.split(".", 2), tensor) for name, tensor in part.state_dict().items())
        return {f"{int(layer) + shift}.{rest}": tensor.contiguous() for (_, layer, rest), tensor in split}

    return rename(made.decoder, 1), rename(made.encoder, 0)


def write(path: Path, weights: Weights) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


def join(decoder: Weights, encoder: Weights) -> Weights:
    parts = {"decoder": decoder, "encoder": encoder}
    return {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}


def write_layouts(folder: Path, channels: int, name: str) -> list[Path]:
    """The decoder of one autoencoder as each program has it."""
    made = make(channels)
    decoder, encoder = in_original_layout(made)
    made.save_pretrained(folder / name)
    made.save_pretrained(folder / f"old {name}", safe_serialization=False)
    return [
        write(folder / f"{name}_decoder.pth", decoder),
        write(folder / f"{name}_decoder.safetensors", decoder),
        write(folder / f"{name}.safetensors", join(decoder, encoder)),
        folder / name / "diffusion_pytorch_model.safetensors",
        folder / f"old {name}" / "diffusion_pytorch_model.bin",
    ]


@pytest.mark.parametrize(("name", "channels", "family"), [("taesd", 4, "sd1"), ("taesdxl", 4, "xl"), ("taesd3", 16, "sd3")])
def test_every_layout_is_recognised_and_decodes_as_in_diffusers(name: str, channels: int, family: str, tmp_path: Path) -> None:
    made, latents = make(channels), torch.randn(1, channels, 4, 6, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = made.decode(latents).sample  # type: ignore[union-attr]
    for path in write_layouts(tmp_path, channels, name):
        entry = entry_for(path)
        assert (entry.identity.kind, entry.identity.family) == ("tiny_vae", family), path
        with torch.inference_mode():
            assert torch.equal(load_tiny_decoder(entry, ExecutionPlan()).decode(latents).sample, wanted), path  # type: ignore[union-attr]
    encoder = identify(write(tmp_path / f"{name}_encoder.pth", in_original_layout(made)[1]))
    assert encoder.kind == "tiny_vae" and encoder.family == family and set(encoder.parts) == {"encoder"}


@pytest.mark.parametrize(
    ("place", "channels", "family"),
    [
        ("vae_approx/taesdxl_decoder", 4, "xl"),
        ("sdxl/taesd_decoder", 4, "sd1"),
        ("sdxl/vae/diffusion_pytorch_model", 4, "xl"),
        ("models--madebyollin--taesdxl/snapshots/0a1b/diffusion_pytorch_model", 4, "xl"),
        ("somewhere/decoder", 4, ""),
        ("somewhere/decoder", 16, "sd3"),
        ("somewhere/taef1_decoder", 16, None),
        ("FLUX/decoder", 16, None),
        ("somewhere/taesd_decoder", 32, None),
    ],
)
def test_the_nearest_name_tells_whose_latents_they_are(place: str, channels: int, family: str | None, tmp_path: Path) -> None:
    found = identify(write(tmp_path / "a" / "b" / f"{place}.safetensors", in_original_layout(make(channels))[0]))
    assert (found.kind, found.family) == (("unknown", "") if family is None else ("tiny_vae", family)), found.reason
    assert "TAESD" in found.reason


def scan(models: Path) -> Catalogue:
    return Catalogue(Settings(models=models, data=models.parent / "data", outputs=models.parent / "outputs"))


def test_one_whose_name_tells_nothing_is_asked_about_and_used_once_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "models" / "one.pth", in_original_layout(make())[0])
    catalogue = scan(tmp_path / "models")
    found = catalogue.scan()
    shown = render_inventory(found.entries, found.refused, {}, tmp_path / "models")
    assert "Tiny autoencoders (TAESD)" in shown and "does not say" in shown and "for Stable Diffusion XL" in shown
    xl = CheckpointEntry(name="xl", path=path, identity=Identity(kind="checkpoint", family="xl"))
    assert find_tiny_decoder(xl, found) is None
    overrides.write(tmp_path / "data", path, Override(family="xl"))
    chosen = find_tiny_decoder(xl, catalogue.scan())
    assert chosen is not None and chosen.path == path
    v1 = dataclasses.replace(xl, identity=Identity(kind="checkpoint", family="sd1"))
    assert find_tiny_decoder(v1, catalogue.scan()) is None


def test_each_family_takes_its_own_and_an_upscaler_or_the_starter_none(tmp_path: Path) -> None:
    for name, channels in (("taesd", 4), ("taesdxl", 4), ("taesd3", 16)):
        decoder, encoder = in_original_layout(make(channels))
        write(tmp_path / "models" / "vae_approx" / f"{name}_decoder.pth", decoder)
        write(tmp_path / "models" / "vae_approx" / f"{name}_encoder.pth", encoder)
    inventory = scan(tmp_path / "models").scan()
    for family in ("sd1", "sd2_v", "sd1_inpainting", "xl", "xl_refiner", "sd35_medium", "x4_upscaler"):
        entry = CheckpointEntry(name=family, path=tmp_path, identity=Identity(kind="checkpoint", family=family))
        found = find_tiny_decoder(entry, inventory)
        wanted = {"sd": "taesd", "xl": "taesdxl", "sd3": "taesd3"}
        name = (
            None if family == "x4_upscaler" else wanted["xl" if "xl" in family else family[:3] if family[:3] in wanted else "sd"]
        )
        assert (found and found.name) == (name and f"{name}_decoder"), family


def test_a_damaged_one_is_refused_in_a_sentence(tmp_path: Path) -> None:
    decoder = in_original_layout(make())[0]
    del decoder["9.conv.2.weight"]
    with pytest.raises(CheckpointError, match="missing or have another shape"):
        load_tiny_decoder(entry_for(write(tmp_path / "taesd_decoder.safetensors", decoder)), ExecutionPlan())


@pytest.mark.parametrize("size", [(4, 4), (32, 32), (128, 64), (8, 300)])
def test_previews_are_those_of_the_tiny_autoencoder_and_stay_small(size: tuple[int, int], tmp_path: Path) -> None:
    path = write(tmp_path / "taesd_decoder.pth", in_original_layout(make())[0])
    small, latents = load_tiny_decoder(entry_for(path), ExecutionPlan()), torch.full((1, 4, *size), 0.5)
    preview = begin_preview(latents, tiny.vae(), BY_NAME["sd1"].preview, small)
    drawn = None if preview is None else preview.render()
    assert drawn is not None
    with Image.open(io.BytesIO(drawn)) as opened:
        assert max(opened.size) <= 256
        middle = np.asarray(opened.convert("RGB"), dtype=float)[opened.height // 2, opened.width // 2]
    if size == (32, 32):
        with torch.inference_mode():
            wanted = small.decode(latents).sample[0, :, 128, 128]  # type: ignore[union-attr]
        assert np.abs((wanted.clamp(-1, 1).numpy() + 1) * 127.5 - middle).max() < 8


def test_latents_that_a_checkpoint_scales_in_its_own_way_are_scaled_back() -> None:
    """Playground 2.5: its VAE is XL's, its latents are normalised by their mean and deviation."""
    vae, preview = tiny.vae(), BY_NAME["xl"].preview
    latents = torch.randn(1, 4, 4, 4)
    assert match_tiny_decoder(latents, vae, preview) is latents
    vae.register_to_config(latents_mean=[1.0, 2.0, 3.0, 4.0], latents_std=[2.0] * 4, scaling_factor=0.5)
    expected = (latents * 4 + torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]) * 0.13025
    assert torch.allclose(match_tiny_decoder(latents, vae, preview), expected)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Folders with a checkpoint whose VAE has the published number of levels, and a TAESD for it."""
    folder = tmp_path_factory.mktemp("tiny")
    models = folder / "models"
    checkpoint = tiny.pipeline("sd1")
    levels: dict[str, Any] = {
        "block_out_channels": (32,) * 4, "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }  # fmt: skip
    checkpoint.register_modules(vae=diffusers.AutoencoderKL(**levels).eval())
    checkpoint.save_pretrained(models / "drawer")
    write(models / "vae_approx" / "taesd_decoder.pth", in_original_layout(make())[0])
    return Settings(models=models, data=folder / "data", outputs=folder / "outputs", precision="float32")


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Local]:
    with Local(settings) as local:
        yield local


def draw(engine: Local, job: str, asked: Request) -> tuple[np.ndarray, list[Event], Path]:
    events = list(engine.run(job, asked, Stop()))
    path = next(event.result.path for event in events if isinstance(event, ImageSaved))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=float), events, path


@pytest.fixture
def preview_after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_PREVIEW_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(estimate, "_PREVIEW_SHARE", math.inf)


ASKED = TextToImage(checkpoint="drawer", prompt="a cat", seed=7, width=64, height=64, steps=2, scheduler="Euler")


def test_draft_alone_decodes_with_it_says_so_and_the_record_names_it(engine: Local) -> None:
    """The whole road: resolved, planned, said, drawn, in the record, and recalled from it."""
    exact, silent, path = draw(engine, "exact", ASKED)
    balanced, _, _ = draw(engine, "balanced", dataclasses.replace(ASKED, speed="balanced"))
    assert np.array_equal(exact, balanced)  # too few steps to leave any out: only the decoder could differ
    record = metadata.read(path)
    assert record is not None and not any("tiny_vae" in name for name in record.resolved.environment)
    assert not any("TAESD" in event.text for event in silent if isinstance(event, Notice))
    drawn, said, path = draw(engine, "draft", dataclasses.replace(ASKED, speed="draft"))
    assert drawn.shape == exact.shape and np.abs(drawn - exact).mean() > 1
    assert any("“taesd_decoder” (TAESD) decodes" in event.text for event in said if isinstance(event, Notice))
    record = metadata.read(path)
    assert record is not None and "tiny_vae taesd_decoder" in record.resolved.environment
    again, _, _ = draw(engine, "again", dataclasses.replace(ASKED, speed=record.resolved.request.speed))  # type: ignore[attr-defined]
    assert np.array_equal(drawn, again)


@pytest.mark.usefixtures("preview_after_every_step")
def test_previews_are_drawn_with_it_under_every_speed(engine: Local) -> None:
    drawn, _, _ = draw(engine, "last", dataclasses.replace(ASKED, speed="draft"))
    for speed in ("exact", "draft"):
        _, events, _ = draw(engine, f"previews{speed}", dataclasses.replace(ASKED, speed=speed))
        previews = [event.preview for event in events if isinstance(event, Step)]
        assert len(previews) == ASKED.steps and previews[-1] is not None
        with Image.open(io.BytesIO(previews[-1])) as opened:
            assert np.abs(np.asarray(opened.convert("RGB"), dtype=float) - drawn).mean() < 8  # JPEG, and nothing else


def test_a_masked_draft_keeps_what_is_outside_of_the_mask(engine: Local, settings: Settings) -> None:
    picture = Image.new("RGB", (64, 64), (40, 120, 200))
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))

    blobs = Blobs(settings.data / "blobs")
    asked = ImageToImage(
        checkpoint="drawer", prompt="a cat", seed=7, width=64, height=64, steps=2, scheduler="Euler", speed="draft",
        init_image=blobs.put(picture), mask_image=blobs.put(mask), strength=1.0,
    )  # fmt: skip
    drawn, _, _ = draw(engine, "masked", asked)
    assert np.abs(drawn[:, 60] - (40, 120, 200)).max() <= 2 and drawn[:, :16].std() > 0
