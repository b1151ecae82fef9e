"""From an image to an image, on tiny checkpoints: both ends of strength, masks, depth, and what a person may hand in."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engine.errors import CancelledError, ImageError, RequestError
from engine.events import Guided, Notice, Step
from engine.generate.samplers import SCHEDULERS
from engine.generate.tasks.input_image import create_canvas, feather_mask, find_matching_size, open_images
from engine.local import Local
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.records.images.open_image import fit, open_image
from engine.requests import CompareNegative, ImageToImage, TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.generate.conftest import Engine

SIDE = 32
_jobs = itertools.count()


def sketch() -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), "#88bbff")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 20, SIDE, SIDE), fill="#228833")
    pen.ellipse((6, 6, 18, 18), fill="#dd2211")
    return image


def half_mask() -> Image.Image:
    mask = Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (0, 0, SIDE // 2, SIDE))
    return mask


def asked(engine: Engine, **changes: Any) -> ImageToImage:
    usual: dict[str, Any] = {
        "prompt": "a cat", "checkpoint": "sd1", "width": SIDE, "height": SIDE, "steps": 4, "seed": 3, "scheduler": "DDIM",
        "init_image": engine.blobs.put(sketch()),
    }  # fmt: skip
    return ImageToImage(**{**usual, **changes})


def words_of(request: ImageToImage) -> TextToImage:
    return TextToImage(**{f.name: getattr(request, f.name) for f in dataclasses.fields(TextToImage)})


def job() -> str:
    return f"job{next(_jobs)}"


def said(events: list[Any]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Notice))


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.tobytes() == other.tobytes()


def test_strength_0_gives_the_fitted_input_back_and_says_so(engine: Engine) -> None:
    wide = sketch().resize((48, SIDE))
    for how in ("crop", "pad", "stretch"):
        request = asked(engine, strength=0.0, init_image=engine.blobs.put(wide), fit=how, paper="#ff00ff")
        made, events = engine.run(request, job())
        assert same(made, fit(wide, SIDE, SIDE, how, "#ff00ff"))
        assert "strength 0" in said(events) and not [e for e in events if isinstance(e, Step)]


@pytest.mark.parametrize("kind", ["sd1", "sd1_inpainting", "sd2_v"])
def test_strength_1_is_text_to_image_to_the_bit_and_says_so(kind: str, engine: Engine) -> None:
    request = asked(engine, strength=1.0, checkpoint=kind)
    made, events = engine.run(request, job())
    assert same(made, engine.run(words_of(request), job())[0])
    assert "text to image" in said(events)


@pytest.mark.parametrize("scheduler", list(SCHEDULERS))
def test_every_sampler_runs_its_share_of_the_steps_and_meets_both_ends(scheduler: str, engine: Engine) -> None:
    request = asked(engine, strength=0.5, steps=6, scheduler=scheduler)
    half, events = engine.run(request, job())
    steps = [event for event in events if isinstance(event, Step)]
    every = [e for e in engine.run(dataclasses.replace(request, strength=1.0), job())[1] if isinstance(e, Step)]
    assert 0 < len(steps) < len(every) and steps[-1].step == steps[-1].steps
    assert same(half, engine.run(request, job())[0]), "the same request, the same picture"
    assert not same(half, sketch())


def test_the_pictures_of_one_job_can_differ_in_strength_alone(engine: Engine) -> None:
    events = engine.run(asked(engine, strengths=(0.25, 0.75), count=2), job())[1]
    records = [metadata.read(result.path) for result in events[-1].results]  # type: ignore[attr-defined]
    made = [record.resolved.request for record in records if record]
    assert [(one.strength, one.seed, one.count) for one in made if isinstance(one, ImageToImage)] == [(0.25, 3, 1), (0.75, 3, 1)]
    alone = engine.run(made[1], job())[0]
    with Image.open(events[-1].results[1].path) as saved:  # type: ignore[attr-defined]
        assert same(alone, saved.convert("RGB")), "the record alone makes the picture again"


def test_a_draft_is_a_picture_that_is_not_in_the_outputs(engine: Engine) -> None:
    path = engine.run(asked(engine, draft=True), job())[1][-1].results[0].path  # type: ignore[attr-defined]
    assert path.is_relative_to(engine.settings.drafts) and not path.is_relative_to(engine.settings.outputs)


@pytest.mark.parametrize("kind", ["sd1", "sd1_inpainting"])
@pytest.mark.parametrize("scheduler", ["DDIM", "Euler a", "DPM++ 2M Karras", "PLMS", "LCM"])
def test_outside_mask_and_feather_the_input_stays_to_the_bit(kind: str, scheduler: str, engine: Engine) -> None:
    mask, feather = half_mask(), 6
    request = asked(
        engine, checkpoint=kind, scheduler=scheduler, strength=1.0, mask_image=engine.blobs.put(mask), feather=feather
    )
    made = np.asarray(engine.run(request, job())[0], int)
    before = np.asarray(sketch(), int)
    beyond = SIDE // 2 + feather
    assert (made[:, beyond:] == before[:, beyond:]).all()
    assert (made[:, : SIDE // 2] != before[:, : SIDE // 2]).any(-1).mean() > 0.9, "what was masked is repainted"


@pytest.mark.parametrize("kind", ["sd1", "sd1_inpainting"])
def test_only_the_masked_part_of_a_large_photo_is_worked_on_and_the_rest_stays(kind: str, engine: Engine) -> None:
    photo = sketch().resize((400, 300))
    mask = Image.new("L", photo.size, 0)
    mask.paste(255, (300, 40, 330, 70))
    request = asked(
        engine, checkpoint=kind, strength=1.0, width=None, height=None, only_masked=True, padding=5, feather=4,
        init_image=engine.blobs.put(photo), mask_image=engine.blobs.put(mask),
    )  # fmt: skip
    made = engine.run(dataclasses.replace(request, width=SIDE, height=SIDE), job())[0]
    assert made.size == photo.size
    changed = (np.asarray(made, int) != np.asarray(photo, int)).any(-1)
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 36 and rows.max() < 74 and columns.min() >= 296 and columns.max() < 334
    assert changed[40:70, 300:330].mean() > 0.9


def test_a_mask_over_nothing_is_refused_and_over_everything_is_said(engine: Engine) -> None:
    nothing, everything = (engine.blobs.put(Image.new("L", (SIDE, SIDE), level)) for level in (0, 255))
    with pytest.raises(ImageError, match="covers nothing"):
        engine.run(asked(engine, mask_image=nothing), job())
    assert "covers everything" in said(engine.run(asked(engine, mask_image=everything), job())[1])


def test_depth_comes_from_the_checkpoint_or_from_the_person(engine: Engine) -> None:
    request = asked(engine, checkpoint="sd2_depth", strength=1.0)
    ramp = Image.linear_gradient("L").resize((SIDE, SIDE))
    maps = [None, engine.blobs.put(ramp), engine.blobs.put(ramp.transpose(Image.Transpose.FLIP_TOP_BOTTOM))]
    made = [engine.run(dataclasses.replace(request, depth_image=each), job())[0] for each in maps]
    assert not same(made[0], made[1]) and not same(made[1], made[2])
    shown = [e for e in engine.run(dataclasses.replace(request, depth_image=maps[1]), job())[1] if isinstance(e, Guided)]
    assert len(shown) == 1
    column = np.asarray(engine.blobs.open(shown[0].depth).convert("L"), int)[:, 0]
    assert column[0] == 0 and column[-1] == 255 and (np.diff(column) >= 0).all(), "the map that guides is shown"
    assert not [e for e in engine.run(asked(engine), job())[1] if isinstance(e, Guided)]


def test_depth_is_fitted_as_the_picture_is(engine: Engine) -> None:
    wide = Image.new("L", (64, SIDE), 0)
    wide.paste(255, (16, 0, 48, SIDE))
    blob = engine.blobs.put(wide)
    request = asked(engine, init_image=engine.blobs.put(wide.convert("RGB")), depth_image=blob)
    canvas = create_canvas(request, open_images(request, engine.blobs), SIDE, SIDE)
    assert canvas.depth is not None and canvas.depth.min() == canvas.depth.max() == 255, "the sides were cropped away"


def test_stop_ends_a_run_and_keeps_nothing(engine: Engine) -> None:
    stop, name = Stop(), job()
    before = set(engine.settings.outputs.rglob("*.png"))
    with pytest.raises(CancelledError):
        for event in engine.local.run(name, asked(engine, steps=50), stop):
            if isinstance(event, Step):
                stop.set()
    assert set(engine.settings.outputs.rglob("*.png")) == before


def blank(size: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, "white").save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (SIDE, SIDE)])
def test_a_blank_canvas_and_a_single_pixel_are_painted_and_said(size: tuple[int, int], engine: Engine) -> None:
    made, events = engine.run(asked(engine, init_image=engine.blobs.put(blank(size))), job())
    assert made.size == (SIDE, SIDE) and "blank" in said(events)


def test_what_was_done_to_an_animation_is_said(engine: Engine) -> None:
    stream = io.BytesIO()
    sketch().save(stream, "GIF", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE))])
    request = asked(engine, strength=0.0, init_image=engine.blobs.put(stream.getvalue()))
    made, events = engine.run(request, job())
    assert "first one" in said(events) and same(made, open_image(stream.getvalue()).image)


def test_an_input_that_is_gone_is_one_sentence(engine: Engine) -> None:
    with pytest.raises(ImageError, match="has been removed"):
        engine.run(asked(engine, init_image="0" * 64), job())


@pytest.mark.parametrize(
    "changes",
    [{"strength": 1.5}, {"fit": "bend"}, {"paper": "red"}, {"strengths": (0.5, 2.0), "count": 2}, {"strengths": (0.5,) * 3}],
)
def test_nonsense_is_refused_before_anything_loads(changes: dict[str, Any], engine: Engine) -> None:
    with pytest.raises(RequestError):
        engine.run(asked(engine, **changes), job())


def test_feather_falls_from_the_mask_to_exactly_nothing_and_does_not_fade_at_the_border() -> None:
    mask = half_mask()
    soft = np.asarray(feather_mask(mask, 8), int)
    row = soft[SIDE // 2]
    assert (row[: SIDE // 2] == 255).all() and (row[SIDE // 2 + 8 :] == 0).all() and 0 < row[SIDE // 2 + 3] < 255
    assert (np.diff(row) <= 0).all() and (soft == row).all()
    assert feather_mask(mask, 0) is mask
    assert np.asarray(feather_mask(mask, 512)).min() == 255, "wider than the picture"


@pytest.mark.parametrize("size", [(100, 100), (300, 200), (1, 30_000), (30_000, 1)])
def test_an_open_size_has_the_shape_of_the_input_and_the_area_of_the_checkpoint(size: tuple[int, int]) -> None:
    width, height = find_matching_size(size, 512, 8)
    assert width % 8 == height % 8 == 0 and width * height == pytest.approx(512 * 512, rel=0.05)
    assert width / height == pytest.approx(min(max(size[0] / size[1], 1 / 4), 4), rel=0.05)


def test_the_starter_is_guided_by_what_it_is_used_for(tmp_path: Path) -> None:
    settings = dataclasses.replace(Settings(), data=tmp_path / "data", outputs=tmp_path / "outputs")
    sent = Blobs(settings.data / "blobs").put(sketch())
    words = TextToImage(prompt="a cat", checkpoint="starter", steps=2, seed=1)
    over = ImageToImage(**dataclasses.asdict(words), init_image=sent, strength=0.5)
    compared = CompareNegative(**{**dataclasses.asdict(words), "negative_prompt": "dog"})
    asked = (words, over, dataclasses.replace(over, guidance_scale=4.0), compared)
    with Local(settings) as easel:
        made = [metadata.read(easel.make(each)[0].path) for each in asked]
    own = json.loads((settings.models / "starter" / "starter.json").read_text("utf-8"))["defaults"]
    first, sketched, negative = (own[f"{use}guidance_scale"] for use in ("", "sketch_", "negative_"))
    assert len({first, sketched, negative}) == 3
    assert [record.resolved.request.guidance_scale for record in made if record] == [first, sketched, 4.0, negative]
