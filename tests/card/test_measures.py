"""Which measures that save memory a job takes: by what is free when it begins, and by what was learnt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.checkpoints.loaded import LoadedCheckpoint
from engine.errors import DoesNotFit
from engine.events import Notice
from engine.local import Local
from engine.plan.learned import Circumstance, learn
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import CompareNegative, GenerationRequest, ImageToImage, Request, StudyNegative, TextToImage, Upscale
from engine.stopping import Stop
from tests.card.exercise import PROMPT, TROUBLE, start_engine
from tests.card.stand_in import GIB, Card, read_counts, resize

TOTAL, LITTLE = 8 * GIB, 60
"""MB of the card, and what a game beside it leaves for one job."""

JOBS = ("text_to_image", "image_to_image", "compare_negative", "study_negative", "upscale")


def create_job(kind: str, blobs: Blobs) -> Request:
    picture = blobs.put(Image.new("RGB", (64, 64), "teal"))
    if kind == "upscale":
        return Upscale(images=(picture,), upscaler="x4_upscaler", prompt=PROMPT, steps=2, factor=2.0)
    kinds: dict[str, type[GenerationRequest]] = {
        "text_to_image": TextToImage, "compare_negative": CompareNegative, "study_negative": StudyNegative,
    }  # fmt: skip
    if kind == "image_to_image":
        return ImageToImage(prompt=PROMPT, checkpoint="sd1", width=64, height=64, steps=2, seed=1, init_image=picture)
    return kinds[kind](prompt=PROMPT, negative_prompt="red", checkpoint="sd1", width=64, height=64, steps=2, seed=1)


def find_device(local: Local, request: Request) -> str:
    """The device that made the images of a job; empty if it was refused for want of memory."""
    try:
        result = local.make(request)[0]
    except DoesNotFit:
        return ""
    record = metadata.read(result.path)
    assert record is not None and record.resolved is not None
    return record.resolved.plan.device


def draw_beside_a_game(models: Path, kind: str) -> list[str]:
    """The devices of a job before a game takes the card's memory, during the game and after it."""
    with start_engine(models) as (local, settings):
        request, devices = create_job(kind, Blobs(settings.data / "blobs")), list[str]()
        for playing in (False, True, False):
            local.free_memory()
            other = TOTAL - (read_counts()["used"] >> 20) - LITTLE if playing else 0
            resize(TOTAL, other)
            devices.append(find_device(local, request))
        return devices


@pytest.mark.parametrize("kind", JOBS)
def test_free_memory_is_looked_at_before_each_job(kind: str, card: Card, card_models: Path) -> None:
    before, during, after = card.run(draw_beside_a_game, card_models, kind)
    assert before == after == "cuda:0"
    assert during == ("" if kind == "upscale" else "cpu")


def list_encoders(local: Local) -> Iterator[torch.nn.Module]:
    for held in local._state.cache._held.values():
        assert isinstance(held.loaded, LoadedCheckpoint)
        yield from (module for name, module in held.loaded.modules.items() if name.startswith("text_encoder"))


def refine_with_learnt_measures(models: Path) -> tuple[list[str], set[str], int]:
    """What is said of trouble, where text encoders wait after the job, and how many."""
    with start_engine(models) as (local, _):
        state, always = local._state, Circumstance(pixels=0, free=2**40)
        for name in ("xl", "xl_refiner"):
            entry = state.catalogue.find(name)
            learn(state.notes, entry.hash, state.hardware.device, measure="text_encoders_out", then=always)
        asked = TextToImage(
            prompt=PROMPT, checkpoint="xl", refiner="xl_refiner", width=64, height=64, steps=5, seed=1, count=2
        )  # fmt: skip
        said = [event.text for event in local.run("job", asked, Stop()) if isinstance(event, Notice)]
        encoders = list(list_encoders(local))
        trouble = [text for text in said if TROUBLE.search(text) and "text encoders leave the card" not in text]
        return trouble, {str(next(encoder.parameters()).device) for encoder in encoders}, len(encoders)


def test_a_refiner_obeys_measures_that_were_learnt(card: Card, card_models: Path) -> None:
    trouble, places, count = card.run(refine_with_learnt_measures, card_models)
    assert trouble == [] and places == {"cpu"} and count == 3
