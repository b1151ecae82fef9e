"""What the page can say before Generate is pressed, beside what then happens."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from engine.checkpoints.control.shape import CONTROL_LORA, CONTROLNET, ControlShape
from engine.checkpoints.identify.identity import Identity, Part
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.entry import CheckpointEntry
from engine.events import ImageSaved
from engine.generate.estimate import Circumstances, Estimate, count_control, course_of, estimate
from engine.plan.hardware.facts import Hardware, from_text, to_text
from engine.plan.learned import LearnedFacts
from engine.plan.timing import TimingKey, estimate_seconds, learn_timing
from engine.requests import ResolvedTextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.generate.conftest import Engine
from tests.engine.plan.conftest import MACHINES, card, cpu


def completed(width: int, height: int) -> ResolvedTextToImage:
    """A request for an image of this size."""
    return ResolvedTextToImage(
        prompt="a cat", checkpoint="sd1", width=width, height=height, steps=4, guidance_scale=7.5, scheduler="Euler", seed=1,
        clip_skip=0,
    )  # fmt: skip


COURSE = TimingKey(width=512, height=512, steps=20)
DEVICE = cpu().device


@pytest.fixture
def notes(tmp_path: Path) -> LearnedFacts:
    return LearnedFacts(tmp_path / "learnt.json")


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_crosses_to_the_page_as_text(name: str) -> None:
    assert from_text(to_text(MACHINES[name])) == MACHINES[name]


def test_a_control_lora_is_counted_as_the_network_that_it_becomes() -> None:
    def create(kind: str, parameters: int, method: str = "") -> CheckpointEntry:
        shape = ControlShape(widths=(), method=method) if method else None
        parts = {kind: Part("float16", parameters, 2 * parameters)}
        return CheckpointEntry(name="x", path=Path("x"), identity=Identity(kind=kind, parts=parts, control=shape))

    checkpoint = create("unet", 2_567_000_000)
    assert count_control(create("controlnet", 1_251_000_000, CONTROLNET), checkpoint) == 1_251_000_000
    assert 1_251_000_000 <= count_control(create("controlnet", 380_000_000, CONTROL_LORA), checkpoint) < 1_300_000_000


def test_before_the_first_picture_nobody_knows_how_long(notes: LearnedFacts) -> None:
    assert estimate_seconds(notes, "abc", DEVICE, COURSE) is None


def test_time_grows_with_steps_and_pixels(notes: LearnedFacts) -> None:
    learn_timing(notes, "abc", DEVICE, COURSE, stepping=40, rest=6)
    assert estimate_seconds(notes, "abc", DEVICE, COURSE) == pytest.approx(46)
    assert estimate_seconds(notes, "abc", DEVICE, dataclasses.replace(COURSE, steps=10)) == pytest.approx(26)
    assert estimate_seconds(notes, "abc", DEVICE, dataclasses.replace(COURSE, width=1024)) == pytest.approx(92)
    assert estimate_seconds(notes, "another", DEVICE, COURSE) is None
    assert estimate_seconds(notes, "abc", DEVICE, dataclasses.replace(COURSE, guided=False)) is None


def test_a_speed_that_was_never_used_counts_as_exact_until_it_was(notes: LearnedFacts) -> None:
    draft = dataclasses.replace(COURSE, speed="draft")
    learn_timing(notes, "abc", DEVICE, COURSE, stepping=40, rest=6)
    assert estimate_seconds(notes, "abc", DEVICE, draft) == pytest.approx(46)
    learn_timing(notes, "abc", DEVICE, draft, stepping=10, rest=6)
    assert estimate_seconds(notes, "abc", DEVICE, draft) == pytest.approx(16)


def test_it_follows_a_machine_that_slows_down(notes: LearnedFacts) -> None:
    for seconds in (40, 80, 80, 80, 80):
        learn_timing(notes, "abc", DEVICE, COURSE, stepping=seconds, rest=0)
    assert 75 < (estimate_seconds(notes, "abc", DEVICE, COURSE) or 0) < 80


def test_the_nearest_size_counts(notes: LearnedFacts) -> None:
    learn_timing(notes, "abc", DEVICE, COURSE, stepping=40, rest=0)
    learn_timing(notes, "abc", DEVICE, TimingKey(width=256, height=256, steps=20), stepping=4, rest=0)
    assert estimate_seconds(notes, "abc", DEVICE, TimingKey(width=320, height=256, steps=20)) == pytest.approx(5)


def test_a_run_teaches_what_the_next_will_take(engine: Engine) -> None:
    state = engine.local._state
    entry = state.catalogue.find("sd1")
    own_size = completed(width=48, height=56)
    events = list(engine.local.run("teaches", own_size, Stop()))
    (took,) = (event.result.seconds for event in events if isinstance(event, ImageSaved))
    said = estimate(entry, own_size, state.circumstances)
    assert said.seconds is not None and 0 < said.seconds < took
    assert said.need and said.free and said.need < said.free and not said.measures
    assert estimate_seconds(state.notes, entry.hash, state.hardware.device, course_of(own_size)) == said.seconds


def test_what_does_not_fit_is_said_before_with_a_size_that_does(tiny_models: Path, tmp_path: Path, notes: LearnedFacts) -> None:
    settings = Settings(models=tiny_models, data=tmp_path / "data")
    entry = Catalogue(settings).find("sd1")
    large = completed(width=2048, height=2048)

    def seen(hardware: Hardware) -> Estimate:
        return estimate(entry, large, Circumstances(settings=settings, hardware=hardware, notes=notes))

    plenty, little = seen(cpu(ram=8 * 2**30)), seen(cpu(ram=2 * 2**30))
    assert not plenty.refusal and not plenty.measures and plenty.need < (plenty.free or 0)
    assert "would fit" in little.refusal
    on_card = seen(card(capability=(8, 6), free_bytes=2**28))
    assert not on_card.refusal and any("the CPU takes over" in sentence for sentence in on_card.measures)
