"""What a job moves between RAM and the card, with checkpoints of full size: weights travel only where they must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.events import Notice
from engine.local import Local
from engine.requests import CompareNegative, Request, TextToImage
from engine.stopping import Stop
from tests.card.exercise import start_engine
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


def _count(local: Local, job: str, request: Request) -> tuple[dict[str, int], list[str]]:
    reset()
    said = [event.text for event in local.run(job, request, Stop()) if isinstance(event, Notice)]
    return read_counts(), said


@pytest.mark.long
def test_text_encoders_come_to_the_card_once_a_job_and_only_for_new_words(card: Card, full_size: Path) -> None:
    job = TextToImage(**XL)
    (loading, said), (again, _), (compared, _) = card.run(count_jobs, full_size, [job, job, CompareNegative(**XL)])
    assert any("text encoders leave the card" in text for text in said)
    assert loading["bytes_to_host"] < SMALL, "nothing comes back to RAM but the picture"
    assert again["bytes_to_card"] < SMALL and again["bytes_to_host"] < SMALL, "the same words move nothing"
    assert compared["bytes_to_card"] < ENCODERS + SMALL and compared["bytes_to_host"] < 2 * SMALL, "once for both pictures"


@pytest.mark.long
def test_a_checkpoint_and_its_refiner_fit_on_a_card_of_8_gb(card: Card, full_size: Path) -> None:
    ((counts, said),) = card.run(count_jobs, full_size, [TextToImage(**{**XL, "steps": 5, "refiner": "xl_refiner"})])
    assert any("take turns" in text for text in said) and not any("CPU" in text for text in said)
    assert counts["bytes_to_host"] < SMALL
