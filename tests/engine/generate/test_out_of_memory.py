"""Memory that runs out in the middle of a run: a real error of torch's kind, raised where it would come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
import transformers

from engine.checkpoints import cache
from engine.errors import DoesNotFit
from engine.events import Event, Finished, ImageSaved, Notice
from engine.local import Local
from engine.records import metadata
from engine.requests import TextToImage
from engine.stopping import Stop

ASKED: dict[str, Any] = {
    "prompt": "a cat", "checkpoint": "sd1", "seed": 5, "steps": 2, "width": 16, "height": 16, "precision": "float32",
}  # fmt: skip
POINTS = {
    "load": (cache, "load_checkpoint"),
    "encode": (transformers.CLIPTextModel, "forward"),
    "denoise": (diffusers.UNet2DConditionModel, "forward"),
    "decode": (diffusers.AutoencoderKL, "decode"),
}

Break = Callable[..., None]


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Break:
    """``breaking(point, times, after)``: memory runs out there, ``times`` times, after ``after`` calls that went well."""

    def arm(point: str, times: int, after: int = 0) -> None:
        owner, name = POINTS[point]
        real, calls = getattr(owner, name), 0

        def short(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if after < calls <= after + times:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, short)

    return arm


def made(local: Local, **asked: Any) -> list[Event]:
    return list(local.run("job", TextToImage(**{**ASKED, **asked}), Stop()))


def said(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


def plan_of(events: list[Event]) -> Any:
    record = metadata.read(next(event.result.path for event in events if isinstance(event, ImageSaved)))
    assert record is not None
    return record.resolved.plan


@pytest.mark.parametrize(("point", "measure"), [
    ("load", "unet_half_storage"), ("denoise", "batch_split"), ("decode", "vae_tiles"),
])  # fmt: skip
def test_memory_that_runs_out_anywhere_costs_one_rung(point: str, measure: str, local: Local, breaking: Break) -> None:
    breaking(point, times=1)
    events = made(local)
    assert isinstance(events[-1], Finished) and len(events[-1].results) == 1
    (notice,) = said(events)
    assert "Memory ran out" in notice
    assert plan_of(events).measures == (measure,)


def test_what_was_learnt_is_kept_for_the_next_run(local: Local, breaking: Break) -> None:
    breaking("decode", times=2)
    first = made(local)
    assert plan_of(first).measures == ("vae_tiles", "vae_small_tiles")
    second = list(local.run("next", TextToImage(**ASKED), Stop()))
    assert plan_of(second).measures == ("vae_tiles", "vae_small_tiles") and not any("ran out" in text for text in said(second))
    assert [event.kind for event in local._state.cache.events] == ["loaded"], "tiles are no reason to load the weights again"


def test_a_checkpoint_that_was_loaded_at_the_start_is_not_loaded_again_by_the_first_job(local: Local) -> None:
    local.warm("xl", Stop())
    made(local, checkpoint="xl", precision="auto")
    assert [event.kind for event in local._state.cache.events] == ["loaded"]


def test_pictures_that_are_there_are_not_made_again(local: Local, breaking: Break) -> None:
    breaking("decode", times=1, after=1)
    events = made(local, count=3)
    assert [event.index for event in events if isinstance(event, ImageSaved)] == [0, 1, 2]
    assert isinstance(events[-1], Finished) and len(events[-1].results) == 3


def test_when_nothing_is_left_to_give_up_it_is_said_and_the_next_run_works(
    local: Local, breaking: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context(), pytest.raises(DoesNotFit, match="smaller size"):
        breaking("encode", times=1)
        made(local)
    assert isinstance(made(local)[-1], Finished)


@pytest.mark.parametrize("storage", ["float16", "float8_e4m3fn"])
def test_weights_kept_in_fewer_bits_are_widened_layer_by_layer(storage: str, local: Local, breaking: Break) -> None:
    exact = made(local)
    breaking("load", times=1 if storage == "float16" else 2)
    local.close()
    events = list(local.run("kept-small", TextToImage(**ASKED), Stop()))
    plan = plan_of(events)
    assert plan.storage == {"unet": storage}
    entry = local._state.catalogue.find("sd1")
    with local._state.cache.lease(entry, plan) as pipeline:
        weights = dict(pipeline.unet.named_parameters())
    assert weights["conv_in.weight"].dtype == getattr(torch, storage)
    assert weights["conv_norm_out.weight"].dtype == torch.float32
    assert isinstance(exact[-1], Finished) and isinstance(events[-1], Finished)
