"""What checkpoints of full size take on a card: what was predicted, and never more than there is.

On the stand-in bfloat16's convolutions take the long way, as on cards without bfloat16, so the card is one of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from engine.checkpoints.library.catalogue import Catalogue, Inventory
from engine.events import ImageSaved, Notice
from engine.generate.estimate import work_for
from engine.generate.upscale.diffusion import FEATHER
from engine.plan import Layout, Work, predict
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import ExecutionPlan, ResolvedGeneration, ResolvedUpscale, TextToImage, Upscale
from engine.settings import Settings
from engine.stopping import Stop
from tests.card.exercise import start_engine
from tests.card.stand_in import GIB, Card

NEAR = 0.08
OTHERS = 600
"""MB that other programs hold."""

CASES: dict[str, dict[str, Any]] = {
    "sd1": {},
    "sd2_v": {},
    "xl": {},
    "xl with refiner": {"refiner": "xl_refiner", "steps": 5},
    "x4_upscaler": {},
}


@pytest.fixture(scope="module")
def turing(request: pytest.FixtureRequest, card_libraries: Path) -> Iterator[Card]:
    """A card of so many GB, in a process of its own: torch keeps the size of the card that it saw first."""
    card = Card(card_libraries, memory=request.param * GIB, other=OTHERS, capability=75, name="NVIDIA GeForce RTX 2060")
    yield card
    card.close()


def measure(models: Path, case: str) -> tuple[int, int, list[str], ExecutionPlan]:
    """Predicted bytes, allocated bytes, notices and the plan of a job."""
    torch.cuda.empty_cache()
    with start_engine(models) as (local, settings):
        torch.cuda.reset_peak_memory_stats()
        events = list(local.run("job", _request(case, settings), Stop()))
        said = [event.text for event in events if isinstance(event, Notice)]
        path = next(event.result.path for event in events if isinstance(event, ImageSaved))
        record = metadata.read(path)
        assert record is not None and record.resolved is not None
        work = _find_work(record.resolved.request, Catalogue(settings).scan())
        predicted = predict(work, record.resolved.plan).peak_device
        return predicted, torch.cuda.max_memory_allocated(), said, record.resolved.plan


def _request(case: str, settings: Settings) -> TextToImage | Upscale:
    common: dict[str, Any] = {"prompt": "a cat", "steps": 2, "seed": 1, **CASES[case]}
    if case != "x4_upscaler":
        return TextToImage(**common, checkpoint=case.split()[0])
    picture = Blobs(settings.data / "blobs").put(Image.linear_gradient("L").convert("RGB"))
    return Upscale(**common, images=(picture,), upscaler=case)


def _find_work(request: object, inventory: Inventory) -> Work:
    if isinstance(request, ResolvedUpscale):
        entry = inventory.find(request.upscaler)
        layout = Layout.of(entry.config("unet"), entry.config("vae"))
        seen = (request.tile + 2 * (FEATHER + 8)) * layout.scale
        return Work(parameters=entry.parameters, width=seen, height=seen, layout=layout)
    assert isinstance(request, ResolvedGeneration)
    refiner = inventory.find(request.refiner) if request.refiner else None
    return work_for(inventory.find(request.checkpoint), request, refiner)


def check(card: Card, models: Path, case: str) -> None:
    """Prints a row of the table in docs/plan.md, and compares it with what is allowed."""
    predicted, allocated, said, plan = card.run(measure, models, case)
    assert plan.device != "cpu", plan.reasons
    figures = f"| {case} | {card.memory // GIB} GB | {predicted / 2**30:.2f} | {allocated / 2**30:.2f} | "
    figures += f"{allocated / predicted - 1:+.1%} | {', '.join(plan.measures)} |"
    print(figures)
    assert not [text for text in said if "ran out" in text], figures
    assert allocated <= (card.memory - OTHERS) << 20, figures
    assert abs(allocated / predicted - 1) <= NEAR, figures


@pytest.mark.parametrize("turing", [4, 24], indirect=True)
def test_stable_diffusion_1_takes_what_was_predicted(turing: Card, full_size: Path) -> None:
    check(turing, full_size, "sd1")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("turing", [4, 6, 8, 12, 24], indirect=True)
@pytest.mark.parametrize("case", CASES)
def test_checkpoints_of_full_size_take_what_was_predicted(case: str, turing: Card, full_size: Path) -> None:
    check(turing, full_size, case)
