from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints.adapters.additions import NOTHING
from engine.checkpoints.identify.identity import Identity
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import RequestError
from engine.generate.prepare import complete_request, explain_unused, request_image
from engine.prompt.wildcards import Wildcards
from engine.requests import ExecutionPlan, Resolved, ResolvedGeneration, TextToImage

ENTRY = CheckpointEntry(name="a checkpoint", path=Path("any"), identity=Identity(kind="checkpoint", family="sd1"))


def completed(**asked: Any) -> tuple[ResolvedGeneration, tuple[str, ...]]:
    return complete_request(TextToImage(**asked), ENTRY, lambda native, multiple: (native, native))


def test_open_fields_are_filled_from_the_checkpoint() -> None:
    request, notices = completed()
    assert (request.checkpoint, request.width, request.height, request.steps) == ("a checkpoint", 512, 512, 25)
    assert (request.guidance_scale, request.scheduler, request.count) == (7.5, "DPM++ 2M", 1)
    assert request.seed is not None and not notices


def test_what_was_asked_stays_and_seed_zero_is_a_seed() -> None:
    request = completed(seed=0, steps=3, guidance_scale=0.0, scheduler="ddim", width=128)[0]
    assert (request.seed, request.steps, request.guidance_scale, request.scheduler, request.width) == (0, 3, 0.0, "DDIM", 128)


@pytest.mark.parametrize("asked, gets", [(517, 520), (515, 512), (8, 8), (9, 8)])
def test_sizes_snap_to_what_the_checkpoint_draws_and_it_is_said(asked: int, gets: int) -> None:
    request, notices = completed(width=asked)
    assert request.width == gets
    assert any(str(gets) in n and str(asked) in n for n in notices) == (asked != gets)


def test_random_seeds_differ() -> None:
    assert len({completed()[0].seed for _ in range(8)}) > 1


def test_each_picture_of_a_job_has_the_next_seed() -> None:
    first = Resolved(request=completed(seed=5, count=3)[0], plan=ExecutionPlan(), threads=2)
    assert [request_image(first, i, Wildcards(())).request.seed for i in range(3)] == [5, 6, 7]


def test_nonsense_is_refused() -> None:
    for asked in ({"steps": 0}, {"scheduler": "none such"}, {"guidance_scale": float("nan")}):
        with pytest.raises(RequestError):
            completed(**asked)


def test_what_a_prompt_names_and_nothing_reads_is_said() -> None:
    request, _ = completed(prompt="a <lora:x:1:lbw=OUTD:stop=10:te=0.5>, embedding:xl/neg.pt <word:1>")
    said = explain_unused(request, NOTHING)
    assert [text.split("”")[0].strip("“") for text in said] == ["<word:1>", "There is no embedding called “xl/neg.pt", "stop=10"]
