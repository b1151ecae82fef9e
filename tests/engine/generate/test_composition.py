"""Prompts composed with ``AND``, from the request to the image and its record."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest
import torch
from PIL import Image

from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.events import ImageSaved
from engine.generate.denoise import Denoiser, condition_on_size
from engine.generate.estimate import work_for
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.samplers import create
from engine.local import Local
from engine.prompt.encoding.encode import encode_pair
from engine.prompt.encoding.steps import EncodingRows
from engine.prompt.encoding.text_encoders import EncodingCache
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import CompareNegative, ImageToImage, Request, ResolvedTextToImage, StudyNegative, TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import tiny

Studio = tuple[Local, Settings]
SMALL: dict[str, Any] = {"width": 16, "height": 16, "seed": 3, "steps": 1, "scheduler": "DDIM"}


def predicted(
    loaded: LoadedCheckpoint, prompt: str, scale: float, negative: str = "fog", rows: int = 1, step: int = 0
) -> torch.Tensor:
    """The guided prediction for ``rows`` images of one noise in ``step`` of two."""
    scheduler = create("DDIM", loaded.scheduler_config)
    scheduler.set_timesteps(2)
    encodings = encode_pair(
        loaded, prompt, negative, steps=2, clip_skip=0, guidance=scale > 1, cache=EncodingCache()
    )  # fmt: skip
    denoiser = Denoiser(
        network=loaded.unet, device=torch.device("cpu"), scheduler=scheduler, guidance_scale=scale, guard=PrecisionGuard(),
        encodings=encodings if rows == 1 else EncodingRows((encodings,) * rows), generator=torch.Generator(),
        size=condition_on_size(loaded, 64, 64),
    )  # fmt: skip
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)).repeat(rows, 1, 1, 1)
    return denoiser.predict(step, noise, scheduler.timesteps[step])


@pytest.mark.parametrize("kind", ["sd1", "xl"])
@pytest.mark.parametrize("scale", [7.0, 1.0])
def test_each_part_moves_the_prediction_by_its_weight(kind: str, scale: float) -> None:
    loaded = tiny.loaded(kind)
    for step, second in enumerate(("dog", "tree")):
        parts = {"a cat": 1.0, second: -0.5, "a tower": 2.0}
        without = predicted(loaded, "fog", 1.0, step=step)
        moves = [scale * weight * (predicted(loaded, text, 1.0, step=step) - without) for text, weight in parts.items()]
        composed = predicted(loaded, "a cat AND [dog:tree:1]:-0.5 AND a tower:2", scale, step=step)
        torch.testing.assert_close(composed, without + sum(moves), rtol=1e-4, atol=1e-4)


def test_a_batch_is_its_images_one_by_one() -> None:
    loaded = tiny.loaded("xl")
    one, three = (predicted(loaded, "a cat AND a dog:0.5", 7.0, rows=rows) for rows in (1, 3))
    torch.testing.assert_close(three, one.repeat(3, 1, 1, 1), rtol=1e-4, atol=1e-4)


def saved(studio: Studio, asked: Request) -> list[bytes]:
    events = studio[0].run(f"job{abs(hash(asked)):x}", asked, Stop())
    paths = [event.result.path for event in events if isinstance(event, ImageSaved)]
    return [Image.open(path).convert("RGB").tobytes() for path in paths]


def test_every_kind_of_request_draws_composed_prompts(studio: Studio) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), "teal").save(stream, "png")
    Image.new("L", (16, 16), 255).save(mask := io.BytesIO(), "png")
    blobs = Blobs(studio[1].data / "blobs")
    image, white = blobs.put(stream.getvalue()), blobs.put(mask.getvalue())
    kinds: list[Request] = [
        TextToImage(checkpoint="xl", refiner="xl_refiner", refiner_start=0.5, count=2, **{**SMALL, "steps": 2}),
        TextToImage(checkpoint="lcm", **SMALL),
        TextToImage(checkpoint="sd1", guidance_scale=1.0, **SMALL),
        TextToImage(checkpoint="sd1", speed="draft", **{**SMALL, "steps": 3}),
        ImageToImage(checkpoint="sd1", init_image=image, mask_image=white, only_masked=True, **SMALL),
        ImageToImage(checkpoint="sd1_inpainting", init_image=image, mask_image=white, **SMALL),
        CompareNegative(checkpoint="sd1", negative_prompt="fog", guidance_scale=1.0, **SMALL),
        StudyNegative(checkpoint="sd1", negative_prompt="fog, dog", guidance_scale=5.0, **SMALL),
    ]
    for asked in kinds:
        guided = dataclasses.replace(asked, guidance_scale=5.0)
        plain = saved(studio, dataclasses.replace(guided, prompt="a cat"))
        assert saved(studio, dataclasses.replace(guided, prompt="a cat AND a dog:0")) == plain, asked
        assert saved(studio, dataclasses.replace(asked, prompt="a cat AND a dog:0.7"))[0] != plain[0], asked


def test_the_record_keeps_the_parts_and_draws_them_again(studio: Studio) -> None:
    (result,) = studio[0].make(TextToImage(checkpoint="sd1", prompt="a cat AND <lora:one:0.5> a dog:-0.5", **SMALL))
    record = metadata.read(result.path)
    assert record is not None and record.resolved.request.prompt == "a cat AND <lora:one:0.5> a dog:-0.5"
    assert "lora one" in record.resolved.environment
    (again,) = studio[0].make(record.resolved.request)
    assert Image.open(again.path).tobytes() == Image.open(result.path).tobytes()


def test_a_part_more_is_planned_as_a_row_more(studio: Studio) -> None:
    entry = Catalogue(studio[1]).scan().find("sd1")
    for prompt, scale, rows in (("a", 7.0, 2), ("a", 1.0, 1), ("a AND b", 7.0, 3), ("a AND b AND c", 1.0, 4)):
        request = ResolvedTextToImage(
            prompt=prompt, guidance_scale=scale, checkpoint="sd1", clip_skip=0, **SMALL
        )  # fmt: skip
        work = work_for(entry, request)
        assert work.parts + work.guided == rows
