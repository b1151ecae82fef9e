"""Files that were saved without their text encoders or VAE: they take them from other files, say so, and draw."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.checkpoints.library.catalogue import Catalogue, Inventory
from engine.errors import CheckpointError
from engine.events import ImageSaved, Notice
from engine.local import Local
from engine.records import metadata
from engine.requests import TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import additions, ggufs, originals, tiny

ASKED = TextToImage(prompt="a cat", seed=7, width=32, height=32, steps=2, scheduler="Euler")


def draw(engine: Local, **changes: str) -> tuple[np.ndarray, list[str], Path]:
    events = list(engine.run("job" + "".join(changes.values()), dataclasses.replace(ASKED, **changes), Stop()))  # type: ignore[arg-type]
    path = next(event.result.path for event in events if isinstance(event, ImageSaved))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=float), [e.text for e in events if isinstance(e, Notice)], path


def scan(models: Path) -> Inventory:
    return Catalogue(Settings(models=models, data=models.parent / "data", outputs=models.parent / "outputs")).scan()


def test_a_quantised_denoiser_draws_with_the_components_of_another_checkpoint(xl_engine: Local, tmp_path: Path) -> None:
    """The whole road: in the list, resolved, drawn, said, in the record, and recalled from it."""
    tensors = tiny.in_original_layout("xl", tiny.pipeline("xl"))
    models = tmp_path / "models"
    unet = ggufs.without_prefix(tensors)
    changed = {name: tensor * 1.01 for name, tensor in unet.items()}
    rounded = ggufs.write(models / "quantised.gguf", changed, gguf.GGMLQuantizationType.Q8_0)
    (alone,) = scan(models).entries
    assert alone.identity.kind == "unet" and "put a checkpoint of Stable Diffusion XL" in alone.identity.reason
    save_file(tensors, models / "whole.safetensors")
    save_file(
        {**tensors, **{ggufs.PREFIX + name: tensor.contiguous() for name, tensor in rounded.items()}},
        models / "rounded.safetensors",
    )
    entry = scan(models).find("quantised")
    assert entry.identity.kind == "checkpoint" and set(entry.borrowed) == {"vae", "text_encoder", "text_encoder_2"}
    drawn, said, path = draw(xl_engine, checkpoint="quantised")
    wanted, silent, _ = draw(xl_engine, checkpoint="rounded")
    assert np.abs(drawn - wanted).mean() < 1 and drawn.std() > 1
    assert any("takes its" in text and "text encoder from" in text for text in said) and not silent
    record = metadata.read(path)
    assert record is not None and any(name.startswith("vae of ") for name in record.resolved.environment)
    again, _, _ = draw(xl_engine, checkpoint=str(record.resolved.request.checkpoint))  # type: ignore[attr-defined]
    assert np.array_equal(drawn, again)


def test_a_unet_that_diffusers_saved_alone_draws_with_the_components_of_another_checkpoint(
    xl_engine: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, models = tiny.pipeline("xl"), tmp_path / "models"
    save_file(tiny.in_original_layout("xl", made), models / "whole.safetensors")
    made.unet.save_pretrained(models / "unet")
    (models / "unet" / "config.json").unlink()
    wanted, _, _ = draw(xl_engine, checkpoint="whole")
    drawn, said, _ = draw(xl_engine, checkpoint="diffusion_pytorch_model")
    assert np.array_equal(drawn, wanted) and any("text encoder from “whole”" in text for text in said)


def test_a_checkpoint_without_a_vae_takes_the_chosen_one_or_one_beside_it_or_says_so(xl_engine: Local, tmp_path: Path) -> None:
    tensors = tiny.in_original_layout("xl", tiny.pipeline("xl"))
    own = {name: tensor for name, tensor in tensors.items() if name.startswith("first_stage_model.")}
    models = tmp_path / "models"
    save_file({name: tensor for name, tensor in tensors.items() if name not in own}, models / "bare.safetensors")
    with pytest.raises(CheckpointError, match=r"no decoder \(VAE\).*Choose a VAE"):
        draw(xl_engine, checkpoint="bare")
    other = {name.removeprefix("first_stage_model."): t.contiguous() for name, t in originals.vae(additions.vae()).items()}
    save_file(other, models / "some.safetensors")
    chosen, said, _ = draw(xl_engine, checkpoint="bare", vae="some")
    assert any("decoder (VAE) from “some”" in text for text in said)
    save_file({name.removeprefix("first_stage_model."): tensor for name, tensor in own.items()}, models / "bare.vae.safetensors")
    beside, said, _ = draw(xl_engine, checkpoint="bare")
    assert any("decoder (VAE) from “bare.vae”" in text for text in said)
    save_file(tensors, models / "whole.safetensors")
    whole, _, _ = draw(xl_engine, checkpoint="whole")
    assert np.array_equal(beside, whole) and not np.array_equal(chosen, beside)


def test_the_vae_that_fits_is_taken(xl_engine: Local, tmp_path: Path) -> None:
    """One named like the checkpoint, else that of a checkpoint of its family, else one whose name does not say another family."""
    models = tmp_path / "models"
    tensors = tiny.in_original_layout("xl", tiny.pipeline("xl"))
    save_file({n: t for n, t in tensors.items() if not n.startswith("first_stage_model.")}, models / "bare.safetensors")
    vae = {name: tensor.contiguous() for name, tensor in originals.vae(additions.vae()).items()}
    for name, taken in (("for sd1", ""), ("sdxl_vae", "sdxl_vae"), ("bare.vae", "bare.vae")):
        save_file(vae, models / f"{name}.safetensors")
        borrowed = scan(models).find("bare").borrowed
        assert {lender.name for lender in borrowed.values()} == ({taken} if taken else set())
    assert torch.is_tensor(vae["first_stage_model.quant_conv.weight"])
