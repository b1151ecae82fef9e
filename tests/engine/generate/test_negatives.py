"""Negative prompts on their way from the request to the picture, on tiny real checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from engine.errors import CancelledError, RequestError
from engine.events import Event, ImageSaved, Step
from engine.generate.tasks import negative_study
from engine.local import Local
from engine.negative import image_difference, study
from engine.records import metadata
from engine.requests import CompareNegative, Request, StudyNegative, TextToImage
from engine.stopping import Stop

PROMPT, NEGATIVE = "a cat on a mat", "dog, (ugly:1.3), rain"
ASKED: dict[str, Any] = {
    "prompt": PROMPT, "negative_prompt": NEGATIVE, "seed": 5, "steps": 3, "width": 16, "height": 16, "guidance_scale": 7.0,
    "precision": "float32",
}  # fmt: skip
LAYOUTS = ("sd1", "sd2_base", "xl")

Words = tuple[torch.Tensor, torch.Tensor | None]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Words]:
    """What every call of a UNet is told: the hidden states, and XL's pooled ones."""
    calls: list[Words] = []
    forward = diffusers.UNet2DConditionModel.forward

    def listening(self: Any, *args: Any, **told: Any) -> Any:
        calls.append((told["encoder_hidden_states"], (told.get("added_cond_kwargs") or {}).get("text_embeds")))
        return forward(self, *args, **told)

    monkeypatch.setattr(diffusers.UNet2DConditionModel, "forward", listening)
    return calls


def by_diffusers(folder: Path, negative: str) -> Words:
    """The encoding of a negative prompt as diffusers makes it."""
    pipeline = diffusers.DiffusionPipeline.from_pretrained(str(folder), local_files_only=True)
    with torch.inference_mode():
        made = pipeline.encode_prompt(
            prompt=PROMPT, negative_prompt=negative, device=torch.device("cpu"), num_images_per_prompt=1,
            do_classifier_free_guidance=True,
        )  # fmt: skip
    return made[1], made[3] if len(made) > 3 else None


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [TextToImage, CompareNegative, StudyNegative])
def test_the_negative_and_not_the_empty_one_reaches_the_unet_in_every_step(
    layout: str, kind: type[Request], local: Local, tiny_models: Path, heard: list[Words]
) -> None:
    plain = NEGATIVE.replace("(", "").replace(":1.3)", "")
    wanted, empty = by_diffusers(tiny_models / layout, plain), by_diffusers(tiny_models / layout, "")
    local.make(kind(checkpoint=layout, **{**ASKED, "negative_prompt": plain}))
    with_negative = heard[:3]  # The first image's steps; in a study it is the first row of the first batch.
    for states, pooled in with_negative:
        torch.testing.assert_close(states[:1], wanted[0], rtol=0, atol=1e-5)
        assert (states[:1] - empty[0]).abs().max() > 1e-3
        if layout == "xl":
            assert pooled is not None and wanted[1] is not None and empty[1] is not None
            torch.testing.assert_close(pooled[:1], wanted[1], rtol=0, atol=1e-5)
            assert (pooled[:1] - empty[1]).abs().max() > 1e-3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_comparison_is_two_pictures_that_know_each_other(layout: str, local: Local) -> None:
    given, without = local.make(CompareNegative(checkpoint=layout, **ASKED))
    records = [metadata.read(result.path) for result in (given, without)]
    assert [record.companions for record in records if record] == [
        {"without the negative prompt": 1}, {"with the negative prompt": 0},
    ]  # fmt: skip
    assert [record.resolved.request.negative_prompt for record in records if record] == [NEGATIVE, ""]
    assert len({(record.job, record.resolved.request.seed) for record in records if record}) == 1
    assert (pixels(given.path) != pixels(without.path)).any()
    for result, negative in ((given, NEGATIVE), (without, "")):
        [alone] = local.make(TextToImage(checkpoint=layout, **{**ASKED, "negative_prompt": negative}))
        assert (pixels(alone.path) == pixels(result.path)).all()


def test_a_study_silences_one_term_after_the_other(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = StudyNegative(checkpoint="sd1", scheduler="Euler a", **ASKED)
    results = local.make(asked)
    found = study.summarize(asked, {number: result.path for number, result in enumerate(results)})
    assert len(found.found) == 3 and found.floor <= 1 / 255 and found.slim is None
    records = [metadata.read(result.path) for result in results]
    assert [getattr(record.resolved.request, "silenced", None) for record in records if record] == [
        (), (), ((0, 3),), ((6, 10),), ((17, 21),),
    ]  # fmt: skip
    assert {record.resolved.batch_size for record in records if record} == {4}
    assert all(result.path.parent.parent.name == study.FOLDER for result in results)
    # The same in batches of one: a row is the image alone, sampler's noise included.
    monkeypatch.setattr(negative_study, "ROWS", ())
    alone = local.make(asked)
    for one, other in zip(results, alone, strict=True):
        assert np.abs(pixels(one.path) - pixels(other.path)).max() <= 1


def test_dead_terms_go_together_and_their_picture_is_text_to_images_own(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = StudyNegative(checkpoint="sd1", **ASKED)
    *_, second, least = study.summarize(asked, dict(enumerate(result.path for result in local.make(asked)))).found
    assert least.change < second.change
    monkeypatch.setattr(image_difference, "VISIBLE", (least.change + second.change) / 2)
    found = study.summarize(asked, dict(enumerate(result.path for result in local.make(asked))))
    assert [each.term for each in found.dead] == [least.term] and least.term.text not in found.remaining
    [alone] = local.make(TextToImage(checkpoint="sd1", **{**ASKED, "negative_prompt": found.remaining}))
    assert found.slim is not None and (pixels(alone.path) == pixels(found.slim)).all()


def test_words_and_noise_are_made_once(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    read = counting(monkeypatch, transformers.CLIPTextModel, "forward")
    drawn = counting(monkeypatch, torch, "randn")
    local.make(StudyNegative(checkpoint="sd1", **ASKED))
    assert len(read) == 5, "the prompt, the negative, and the negative with each of three terms silent"
    assert len(drawn) == 2, "once a batch, from the same seed"


def counting(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[int]:
    """A list that grows by one with each call of ``owner.name``."""
    calls: list[int] = []
    called = getattr(owner, name)

    def listening(*args: Any, **named: Any) -> Any:
        calls.append(1)
        return called(*args, **named)

    monkeypatch.setattr(owner, name, listening)
    return calls


@pytest.mark.parametrize("kind", [CompareNegative, StudyNegative])
@pytest.mark.parametrize(
    ("changed", "said"),
    [({"guidance_scale": 1.0}, "CFG scale"), ({"checkpoint": "lcm"}, "LCM"), ({"negative_prompt": " "}, "negative prompt")],
)
def test_what_cannot_tell_anything_is_refused(kind: type[Request], changed: dict[str, Any], said: str, local: Local) -> None:
    with pytest.raises(RequestError, match=said):
        local.make(kind(**{"checkpoint": "sd1", **ASKED, **changed}))


@pytest.mark.parametrize("kind", [CompareNegative, StudyNegative])
def test_stopped_in_the_middle_it_goes_on_from_there(kind: type[Request], local: Local) -> None:
    asked, stop = kind(checkpoint="sd1", **ASKED), Stop()
    first = until_stopped(local, asked, stop, lambda event: isinstance(event, Step) and event.index == 1)
    assert first
    again = [event for event in local.run("job", asked, Stop()) if isinstance(event, ImageSaved)]
    assert [event.result.path for event in again[: len(first)]] == first
    assert [event.index for event in again] == list(range(2 if kind is CompareNegative else 5))


def until_stopped(local: Local, asked: Request, stop: Stop, enough: Callable[[Event], bool]) -> list[Path]:
    """Run until ``enough``, stop, and say which images were saved."""
    saved: list[Path] = []
    with pytest.raises(CancelledError):
        for event in local.run("job", asked, stop):
            if isinstance(event, ImageSaved):
                saved.append(event.result.path)
            if enough(event):
                stop.set()
    return saved
