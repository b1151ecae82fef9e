from __future__ import annotations

import pytest

from engine.errors import RequestError
from engine.generate.resolve import Defaults, picture, resolve
from engine.requests import ExecutionPlan, Resolved, TextToImage

DEFAULTS = Defaults(checkpoint="starter", width=64, height=64, size_multiple=8, steps=20, guidance_scale=5.0, scheduler="Euler a")


def resolved(**asked: object) -> tuple[Resolved, tuple[str, ...]]:
    return resolve(
        TextToImage(**asked),  # type: ignore[arg-type]
        DEFAULTS,
        ExecutionPlan(),
        threads=2,
        checkpoint_hash="",
        environment={},
    )


def test_open_fields_are_filled_from_the_checkpoint() -> None:
    result, notices = resolved()
    request = result.request
    assert (request.checkpoint, request.width, request.height, request.steps) == ("starter", 64, 64, 20)
    assert (request.guidance_scale, request.scheduler, request.count) == (5.0, "Euler a", 1)
    assert request.seed is not None and not notices


def test_what_was_asked_stays_and_seed_zero_is_a_seed() -> None:
    request = resolved(seed=0, steps=3, guidance_scale=0.0, scheduler="ddim", width=128)[0].request
    assert (request.seed, request.steps, request.guidance_scale, request.scheduler, request.width) == (0, 3, 0.0, "DDIM", 128)


@pytest.mark.parametrize("asked, gets", [(517, 520), (515, 512), (8, 8), (9, 8)])
def test_sizes_snap_to_what_the_checkpoint_draws_and_it_is_said(asked: int, gets: int) -> None:
    result, notices = resolved(width=asked)
    assert result.request.width == gets
    assert any(str(gets) in n and str(asked) in n for n in notices) == (asked != gets)


def test_random_seeds_differ() -> None:
    assert len({resolved()[0].request.seed for _ in range(8)}) > 1


def test_each_picture_of_a_job_has_the_next_seed() -> None:
    first = resolved(seed=5, count=3)[0]
    assert [picture(first, i).request.seed for i in range(3)] == [5, 6, 7]


def test_nonsense_is_refused() -> None:
    for asked in ({"steps": 0}, {"scheduler": "none such"}, {"guidance_scale": float("nan")}):
        with pytest.raises(RequestError):
            resolved(**asked)
