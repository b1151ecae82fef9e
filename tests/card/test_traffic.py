"""What a job moves between RAM and the card, with checkpoints of full size: weights travel only where they must."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from PIL import Image

from engine.events import Notice, Step
from engine.generate.estimate import StepProgress
from engine.local import Local
from engine.records.blobs import Blobs
from engine.requests import CompareNegative, Request, TextToImage, Upscale
from engine.settings import HOUSE
from engine.stopping import Stop
from tests.card.exercise import save_memory, start_engine
from tests.card.stand_in import Card, read_counts, reset

XL: dict[str, Any] = {"checkpoint": "xl", "prompt": "a cat", "negative_prompt": "dog, red", "steps": 2, "seed": 1}
ENCODERS = 2 * (123_060_480 + 694_659_840)
"""Bytes of XL's text encoders in float16."""

SMALL = 32 << 20
"""Bytes that the picture, encodings, latents and the like may take together."""


def count_jobs(models: Path, requests: list[Request]) -> list[tuple[dict[str, int], list[str]]]:
    """What each job moved, and what it said."""
    with start_engine(models) as (local, _):
        return [_count(local, f"job{number}", request) for number, request in enumerate(requests)]


def count_turns(models: Path) -> list[int]:
    """The bytes that went to the card for one image, and for four, with words of their own and networks that take turns."""
    asked = TextToImage(
        prompt="a {cat|dog|bird|fish|horse} in {red|blue|grey}", checkpoint="xl", refiner="xl_refiner", width=64, height=64,
        steps=5, seed=1,
    )  # fmt: skip
    requests = [asked, dataclasses.replace(asked, seed=2), dataclasses.replace(asked, seed=3, count=4)]
    with start_engine(models) as (local, _), save_memory("experts_in_turn", refined=True):
        return [_count(local, f"job{number}", request)[0]["bytes_to_card"] for number, request in enumerate(requests)][1:]


def count_loads(models: Path) -> list[str]:
    """What the cache did from the start on, which loads XL, to the end of its first job."""
    with start_engine(models) as (local, _):
        local.warm("xl", Stop())
        _count(local, "job", TextToImage(**XL))
        return [event.kind for event in local._state.cache.events]


def _count(local: Local, job: str, request: Request) -> tuple[dict[str, int], list[str]]:
    reset()
    said = [event.text for event in local.run(job, request, Stop()) if isinstance(event, Notice)]
    return read_counts(), said


STARTER = TextToImage(prompt="a cat", negative_prompt="dog", steps=4, seed=1, speed="exact")


def count_previews(local: Local, job: str, due: bool) -> tuple[dict[str, int], int]:
    """What a starter picture moved, and how many previews it showed."""
    with patch.object(StepProgress, "preview_is_due", due):
        reset()
        events = list(local.run(job, STARTER, Stop()))
    return read_counts(), sum(isinstance(event, Step) and event.preview is not None for event in events)


def count_starter() -> list[tuple[dict[str, int], int]]:
    """A starter picture that loads the checkpoint, one without previews, and one with a preview at each step."""
    with start_engine(HOUSE / "models") as (local, _):
        return [count_previews(local, f"job{number}", due) for number, due in enumerate((False, False, True))]


def count_waits(counts: dict[str, int]) -> int:
    return counts["synchronisations"] + counts["event_synchronisations"]


def test_a_starter_picture_waits_for_the_card_once_a_step_and_reads_it_once(card: Card) -> None:
    _, (plain, shown), (previewed, previews) = card.run(count_starter)
    assert shown == 0 and previews == 4
    assert count_waits(plain) <= 5 and plain["copies_to_host"] == 1, plain
    assert previewed["copies_to_host"] == 1 + previews and previewed["waiting_copies"] == 0
    # A preview is polled, and waited for by nobody.
    assert count_waits(previewed) == count_waits(plain)


def test_networks_that_take_turns_come_to_the_card_once_for_all_images(card: Card, card_models: Path) -> None:
    one, four = card.run(count_turns, card_models)
    assert four < 1.2 * one


def count_offloaded(models: Path) -> dict[str, int]:
    """What a second picture moved whose denoiser's layers come to the card one by one."""
    job = TextToImage(**{**XL, "width": 64, "height": 64})
    with start_engine(models) as (local, _), save_memory("unet_offload"), patch.object(StepProgress, "preview_is_due", False):
        return [_count(local, f"job{number}", job)[0] for number in range(2)][1]


def test_layers_that_come_one_by_one_are_never_copied_back(card: Card, card_models: Path) -> None:
    counts = card.run(count_offloaded, card_models)
    assert counts["copies_to_host"] == 1, "the picture"
    assert counts["copies_to_card"] > 100, "each layer in each step"


def draw_on(device: str) -> tuple[str, int]:
    """The device that drew and upscaled a starter picture, and how many cards something was done on."""
    with start_engine(HOUSE / "models", device=device) as (local, _):
        (picture,) = local.make(STARTER)
        blob = Blobs(local._state.settings.data / "blobs").put(Image.open(picture.path))
        local.make(Upscale(images=(blob,), factor=2.0))
        return local._state.hardware.device.torch, read_counts()["contexts"]


@pytest.mark.parametrize(("asked", "used"), [("auto", "cuda:0"), pytest.param("cuda:1", "cuda:1", marks=pytest.mark.long)])
def test_of_two_cards_the_other_is_left_alone(asked: str, used: str, card_libraries: Path) -> None:
    card = Card(card_libraries, count=2)
    try:
        assert card.run(draw_on, asked) == (used, 1)
    finally:
        card.close()


@pytest.mark.long
def test_text_encoders_come_to_the_card_once_a_job_and_only_for_new_words(card: Card, full_size: Path) -> None:
    job = TextToImage(**XL)
    (loading, said), (again, _), (compared, _) = card.run(count_jobs, full_size, [job, job, CompareNegative(**XL)])
    assert any("text encoders leave the card" in text for text in said)
    assert loading["bytes_to_host"] < SMALL, "nothing comes back to RAM but the picture"
    assert again["bytes_to_card"] < SMALL and again["bytes_to_host"] < SMALL, "the same words move nothing"
    assert compared["bytes_to_card"] < ENCODERS + SMALL and compared["bytes_to_host"] < 2 * SMALL, "once for both pictures"


@pytest.mark.long
def test_xl_is_loaded_once_on_a_card_of_8_gb(card: Card, full_size: Path) -> None:
    assert card.run(count_loads, full_size) == ["loaded"]


@pytest.mark.long
def test_a_checkpoint_and_its_refiner_fit_on_a_card_of_8_gb(card: Card, full_size: Path) -> None:
    ((counts, said),) = card.run(count_jobs, full_size, [TextToImage(**{**XL, "steps": 5, "refiner": "xl_refiner"})])
    assert any("take turns" in text for text in said) and not any("CPU" in text for text in said)
    assert counts["bytes_to_host"] < SMALL
