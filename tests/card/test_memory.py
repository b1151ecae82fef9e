"""What checkpoints of full size take on a card: what was predicted, and never more than there is.

On the stand-in bfloat16's convolutions take the long way, as on cards without bfloat16, so the card is one of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from engine.checkpoints.control.recognition import KIND
from engine.checkpoints.families import BY_NAME, bundled_config
from engine.checkpoints.library.catalogue import Catalogue, Inventory
from engine.checkpoints.load.components import build
from engine.compat.vae_tiling import tile_vae
from engine.events import ImageSaved, Notice
from engine.generate.decode import decode_pixels
from engine.generate.estimate import work_for
from engine.generate.precision_guard import DTYPES
from engine.generate.upscale.diffusion import SIDE, count_work
from engine.plan import Work, predict
from engine.plan.hardware import system
from engine.plan.memory import MARGIN
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import LATENT, Control, ExecutionPlan, ResolvedGeneration, ResolvedUpscale, TextToImage, Upscale
from engine.settings import Settings
from engine.stopping import Stop
from tests.card.exercise import start_engine
from tests.card.stand_in import GIB, Card, read_counts, resize

NEAR = 0.08
OTHERS = 600
"""MB that other programs hold."""
RAM = 16 << 30
"""What is planned with, whatever else runs beside the tests: too little for the CPU to take over XL and its refiner."""

CASES: dict[str, dict[str, Any]] = {
    "sd1": {},
    "sd2_v": {},
    "xl": {},
    "xl with refiner": {"refiner": "xl_refiner", "steps": 5},
    "x4_upscaler": {},
    "sd1 with control": {},
    "xl with control": {},
    # What is decoded between the passes is black on the stand-in, and would be decoded once more in float32.
    "sd1 in two passes": {"width": 1024, "height": 1024, "hires": True, "hires_upscaler": LATENT},
}


@pytest.fixture(scope="module")
def turing(request: pytest.FixtureRequest, card_libraries: Path) -> Iterator[Card]:
    """A card of so many GB, in a process of its own: torch keeps the size of the card that it saw first."""
    card = Card(card_libraries, memory=request.param * GIB, other=OTHERS, capability=75, name="NVIDIA GeForce RTX 2060")
    yield card
    card.close()


def measure(models: Path, case: str, free: int) -> tuple[int, int, list[str], ExecutionPlan]:
    """Predicted bytes, allocated bytes, notices and the plan of a job on a card with ``free`` bytes."""
    torch.cuda.empty_cache()
    with patch.object(system, "read_memory", lambda root=None: (RAM, RAM)), start_engine(models) as (local, settings):
        torch.cuda.reset_peak_memory_stats()
        events = list(local.run("job", _request(case, settings), Stop()))
        said = [event.text for event in events if isinstance(event, Notice)]
        path = next(event.result.path for event in events if isinstance(event, ImageSaved))
        record = metadata.read(path)
        assert record is not None and record.resolved is not None
        work = _find_work(record.resolved.request, Catalogue(settings).scan())
        predicted = predict_with(free, work, record.resolved.plan)
        return predicted, torch.cuda.max_memory_allocated(), said, record.resolved.plan


def predict_with(free: int, work: Work, plan: ExecutionPlan) -> int:
    """Peak bytes. The denoiser makes way for text encoders that leave the card only where there is no room for both."""
    predicted = predict(work, plan)
    stays = "text_encoders_out" in plan.measures and not plan.waits_in_ram(plan.denoiser)
    together = predicted.phases["encode"] + predicted.weights[plan.denoiser]
    return max(predicted.peak_device, together if stays and together <= free else 0)


def _request(case: str, settings: Settings) -> TextToImage | Upscale:
    common: dict[str, Any] = {"prompt": "a cat", "steps": 2, "seed": 1, **CASES[case]}
    side = 3 * SIDE  # one tile of the upscaler has neighbours on all sides
    picture = Blobs(settings.data / "blobs").put(Image.linear_gradient("L").resize((side, side)).convert("RGB"))
    if case == "x4_upscaler":
        return Upscale(**common, images=(picture,), upscaler=case)
    family = case.split()[0]
    controls = (Control(model=f"{family} control", image=picture),) if case.endswith("control") else ()
    return TextToImage(**common, checkpoint=family, controls=controls)


def _find_work(request: object, inventory: Inventory) -> Work:
    if isinstance(request, ResolvedUpscale):
        return count_work(inventory.find(request.upscaler), request.tile)
    assert isinstance(request, ResolvedGeneration)
    refiner = inventory.find(request.refiner) if request.refiner else None
    controls = [inventory.find(control.model, KIND) for control in request.controls]
    return work_for(inventory.find(request.checkpoint), request, refiner, controls=controls)


def check(card: Card, models: Path, case: str) -> None:
    """Prints a row of the table in docs/plan.md, and compares it with what is allowed."""
    free = (card.memory - OTHERS) << 20
    predicted, allocated, said, plan = card.run(measure, models, case, free)
    assert plan.device != "cpu", plan.reasons
    figures = f"| {case} | {card.memory // GIB} GB | {predicted / 2**30:.2f} | {allocated / 2**30:.2f} | "
    figures += f"{allocated / predicted - 1:+.1%} | {', '.join(plan.measures)} |"
    print(figures)
    assert not [text for text in said if "ran out" in text], figures
    assert allocated <= free, figures
    assert abs(allocated / predicted - 1) <= NEAR, figures


def decode_twice(side: int, tile: int, dtype: str) -> str:
    """What is said of memory on a card with no more than is planned with, beside what other tests left there."""
    family = BY_NAME["sd2_v"]
    with torch.device("meta"):
        vae = build(family.classes["vae"], bundled_config(family, "vae")).to(DTYPES[dtype])
    assert isinstance(vae, AutoencoderKL)
    parameters = sum(parameter.numel() for parameter in vae.parameters())
    plan = ExecutionPlan(device="cuda", dtypes={"vae": dtype}, vae_tile=tile)
    predicted = predict(Work(parameters={"vae": parameters}, width=side, height=side), plan).peak_device
    torch.cuda.empty_cache()
    free = int(predicted / MARGIN) + read_counts()["used"]
    resize(24 * GIB, 24 * GIB - (free >> 20))
    vae.to_empty(device="cuda")
    try:
        with torch.inference_mode(), tile_vae(vae, tile):
            for _ in range(2):
                decode_pixels(torch.zeros(1, 4, side // 8, side // 8, device="cuda"), vae, DTYPES[dtype])
    except torch.OutOfMemoryError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(("side", "tile"), [(512, 0), (768, 0), (768, 512), (1024, 512), (512, 256)])
def test_memory_that_is_planned_with_suffices_for_decoding(side: int, tile: int, dtype: str, card: Card) -> None:
    """What large tensors leave between small ones is as good as what is free."""
    assert card.run(decode_twice, side, tile, dtype) == ""


@pytest.mark.parametrize("turing", [4, 24], indirect=True)
def test_stable_diffusion_1_takes_what_was_predicted(turing: Card, full_size: Path) -> None:
    check(turing, full_size, "sd1")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("turing", [4, 6, 8, 12, 24], indirect=True)
@pytest.mark.parametrize("case", CASES)
def test_checkpoints_of_full_size_take_what_was_predicted(case: str, turing: Card, full_size: Path) -> None:
    check(turing, full_size, case)
