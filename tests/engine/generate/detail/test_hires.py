"""Hires fix: sizes far above a checkpoint's own are drawn in two passes, said, recorded and made again."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import CancelledError, CheckpointError
from engine.events import Event, Finished, Notice, Step
from engine.generate import prepare
from engine.generate.detail.hires_choice import choose_hires, enlarge_size
from engine.generate.detail.latent_tiles import LatentTiles, cut
from engine.plan import Budget, Layout, Work, fit_plan, predict
from engine.plan.ladder import RUNGS
from engine.records import metadata
from engine.records.foreign import readers
from engine.records.record import parameters
from engine.requests import (
    ExecutionPlan,
    ImageToImage,
    ResolvedGeneration,
    TextToImage,
    complete,
    from_json,
    resolved_from_json,
    to_json,
)
from engine.requests.json_format import resolved_to_json
from engine.stopping import Stop
from tests.engine.generate.conftest import Engine

_jobs = itertools.count()


def asked(**changes: Any) -> TextToImage:
    """A request for the tiny checkpoint."""
    usual = {"prompt": "a cat", "checkpoint": "sd1", "steps": 4, "seed": 3, "scheduler": "DDIM", "width": 96, "height": 64}
    return TextToImage(**{**usual, **changes})


def two_passes(**changes: Any) -> TextToImage:
    return asked(**{"hires": True, "first_width": 48, "first_height": 32, **changes})


def run(
    engine: Engine, request: TextToImage | ResolvedGeneration | ImageToImage
) -> tuple[ResolvedGeneration, np.ndarray, list[Event]]:
    """The resolved request in the record, the pixels, and all events."""
    image, events = engine.run(request, f"hires{next(_jobs)}")
    assert isinstance(events[-1], Finished)
    record = metadata.read(events[-1].results[0].path)
    assert record is not None and isinstance(record.resolved.request, ResolvedGeneration)
    assert image.size == (record.resolved.request.width, record.resolved.request.height) == _size(events[-1])
    return record.resolved.request, np.asarray(image), events


def _size(finished: Finished) -> tuple[int, int]:
    return finished.results[0].width, finished.results[0].height


@pytest.mark.parametrize("upscaler", ["latent", "lanczos", None])
def test_two_passes_are_recorded_and_made_again(upscaler: str | None, engine: Engine) -> None:
    request, pixels, events = run(engine, two_passes(hires_upscaler=upscaler, hires_strength=0.5, hires_steps=6))
    assert request.hires and (request.first_width, request.first_height) == (48, 32)
    assert request.hires_upscaler == (upscaler or "lanczos"), "the built-in one is not in this folder"
    steps = [event for event in events if isinstance(event, Step)]
    assert [event.step for event in steps] == list(range(1, 8)) and {event.steps for event in steps} == {7}
    again, same, _ = run(engine, request)
    assert again == request and (same == pixels).all()
    _, once, _ = run(engine, asked(hires=False))
    assert (once != pixels).any()


@pytest.mark.parametrize(
    ("size", "first"),
    [
        ((1024, 1024), (512, 512)), ((1024, 512), (728, 360)), ((640, 640), (512, 512)), ((512, 768), None), ((512, 512), None),
        ((256, 256), None), ((128, 64), None),
    ],
)  # fmt: skip
def test_it_begins_by_itself_above_one_and_a_half_times_the_area(size: tuple[int, int], first: tuple[int, int] | None) -> None:
    request = asked(width=size[0], height=size[1])
    plain = complete(
        request, checkpoint="sd1", width=size[0], height=size[1], steps=20, guidance_scale=7.0, scheduler="DDIM", seed=1
    )
    chosen = choose_hires(request, plain, 512, 8)
    assert chosen.hires is (first is not None)
    assert (chosen.first_width, chosen.first_height) == (first or (None, None))
    assert choose_hires(dataclasses.replace(request, hires=False), plain, 512, 8) == plain


def test_what_began_by_itself_is_said_and_recorded(engine: Engine) -> None:
    request, _, events = run(engine, asked(width=384, height=328, steps=1, hires_upscaler="lanczos", hires_strength=0.0))
    assert request.hires and "hires fix" in " ".join(event.text for event in events if isinstance(event, Notice))


def test_it_never_begins_by_itself_for_an_input_image_or_a_recalled_record(engine: Engine) -> None:
    photo = engine.blobs.put(Image.new("RGB", (64, 64), "red"))
    over = engine.local.describe_run(ImageToImage(init_image=photo, checkpoint="sd1", width=1024, height=1024)).request
    assert isinstance(over, ResolvedGeneration) and over.hires is False
    recorded = engine.local.describe_run(asked(width=1024, height=1024, hires=False))
    again = engine.local.describe_run(recorded.request).request
    assert isinstance(again, ResolvedGeneration) and again.hires is False
    old = resolved_to_json(recorded)
    assert isinstance(old["request"], dict)
    for name in [name for name in old["request"] if name.startswith(("hires", "first_"))]:
        del old["request"][name]
    read = resolved_from_json(old).request
    assert isinstance(read, ResolvedGeneration) and read.hires is False


@pytest.mark.parametrize(
    ("size", "factor", "large"),
    [((1280, 960), 1.25, (1600, 1200)), ((832, 1216), 1.5, (1248, 1824)), ((512, 512), 2, (1024, 1024))],
)
@pytest.mark.parametrize("multiple", [8, 16])
def test_sizes_are_exact(size: tuple[int, int], factor: float, large: tuple[int, int], multiple: int) -> None:
    assert enlarge_size(*size, factor, multiple) == large


def test_a1111_reads_two_passes_and_easel_reads_them_back(engine: Engine) -> None:
    for size, words in (((96, 64), "Hires upscale: 2,"), ((104, 64), "Hires resize: 104x64")):
        made = run(engine, two_passes(width=size[0], height=size[1], hires_guidance_scale=3.0, hires_strength=0.5))[2][-1]
        assert isinstance(made, Finished)
        record = metadata.read(made.results[0].path)
        assert record is not None
        text = parameters(record)
        assert words in text and "Size: 48x32" in text and "Denoising strength: 0.5" in text and "Hires CFG Scale: 3" in text
        found = readers.read_fields({"parameters": text})
        assert found is not None and not found.unused.settings and not found.unused.unknown
        request, notes = readers.to_request(found)
        assert request.hires and (request.width, request.height, request.first_width, request.first_height) == (*size, 48, 32)
        assert (request.hires_upscaler, request.hires_strength, request.hires_guidance_scale) == ("lanczos", 0.5, 3.0)
        assert not notes
    plain = readers.read_fields({"parameters": "a cat\nSteps: 4, Sampler: DDIM, Seed: 1, Size: 1024x1024"})
    assert plain is not None and readers.to_request(plain)[0].hires is False, "a record without two passes draws one"


def test_an_upscaler_that_is_not_there_is_refused(engine: Engine) -> None:
    with pytest.raises(CheckpointError, match="none such"):
        engine.local.describe_run(two_passes(hires_upscaler="none such"))


def test_every_field_survives_json() -> None:
    request = two_passes(
        hires_upscaler="latent", hires_steps=5, hires_strength=0.2, hires_scheduler="DDIM", hires_schedule="Karras"
    )
    assert from_json(to_json(request)) == request
    assert from_json(to_json(asked(hires=False))) == asked(hires=False)


def test_the_second_pass_has_steps_scale_and_sampler_of_its_own(engine: Engine) -> None:
    plain = two_passes(hires_strength=0.5)
    request, pixels, _ = run(engine, plain)
    assert (
        request.hires_scheduler == "DDIM" and request.hires_steps == 4 and request.hires_guidance_scale == request.guidance_scale
    )
    changes: dict[str, Any] = {"hires_steps": 8, "hires_guidance_scale": 2.0, "hires_scheduler": "Euler a", "hires_strength": 0.9}
    for name, value in changes.items():
        assert (run(engine, dataclasses.replace(plain, **{name: value}))[1] != pixels).any(), name


def test_stop_in_the_second_pass_keeps_nothing(engine: Engine) -> None:
    stop, before = Stop(), set(engine.settings.outputs.rglob("*.png"))
    with pytest.raises(CancelledError):
        for event in engine.local.run(f"hires{next(_jobs)}", two_passes(hires_steps=20, hires_strength=0.9), stop):
            if isinstance(event, Step) and event.step > 4:
                stop.set()
    assert set(engine.settings.outputs.rglob("*.png")) == before


def test_the_ladder_repaints_in_tiles_before_it_refuses() -> None:
    work = Work(parameters={"unet": 860_000_000, "vae": 80_000_000}, width=2048, height=2048, layout=Layout(), tile=512)
    plan = ExecutionPlan(vae_tile=256)
    whole = predict(work, plan)
    assert predict(work, dataclasses.replace(plan, repaint_tiles=True)).phases["denoise"] < whole.phases["denoise"]
    least = predict(work, dataclasses.replace(plan, repaint_tiles=True, measures=("vae_tiles", "vae_small_tiles")))
    fitted, _ = fit_plan(work, plan, Budget(ram=least.peak_ram))
    assert fitted.repaint_tiles
    once = dataclasses.replace(work, tile=0)
    assert all(not rung.enlarged for rung in RUNGS if rung.name in fit_plan(once, plan, Budget())[0].measures)


@pytest.mark.parametrize(("height", "width", "side"), [(64, 64, 64), (100, 230, 64), (65, 64, 64), (7, 300, 64)])
def test_tiles_cover_an_image_and_blend_into_what_they_saw(height: int, width: int, side: int) -> None:
    whole = torch.rand(2, 4, height, width)
    tiles = LatentTiles(height, width, side)
    blended = tiles.blend(lambda rows, columns: whole[..., rows, columns])
    assert torch.allclose(blended, whole, atol=1e-5)
    assert all(piece.stop - piece.start == min(side, width) for piece in cut(width, side))
    ramp = tiles.blend(
        lambda rows, columns: torch.full((1, 1, rows.stop - rows.start, columns.stop - columns.start), 1.0 * columns.start)
    )
    assert ramp.diff(dim=-1).abs().max() <= max(1.0, width / side * 8), "no step at a border"


def test_a_pass_in_tiles_runs_and_differs_little_from_one_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    request = two_passes(width=64, height=56, first_width=16, first_height=16, steps=2, hires_strength=0.5)
    _, whole, _ = run(engine, request)
    fit, blended = prepare._fit, list[LatentTiles]()
    monkeypatch.setattr(prepare, "_fit", lambda *given: (dataclasses.replace(fit(*given)[0], repaint_tiles=True), fit(*given)[1]))
    blend = LatentTiles.blend
    monkeypatch.setattr(LatentTiles, "blend", lambda tiles, predict: blended.append(tiles) or blend(tiles, predict))
    resolved, tiled, _ = run(engine, request)
    assert resolved.hires and blended and all(len(list(tiles)) > 1 for tiles in blended)
    assert np.abs(tiled.astype(int) - whole.astype(int)).mean() < 8
