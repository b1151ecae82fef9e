"""A GPU that disappears in the middle of a run: what a driver says then, raised where it would come from."""

from __future__ import annotations

import dataclasses
from typing import Any

import diffusers
import pytest

from engine.errors import DeviceLost, EaselError
from engine.events import Finished, ImageSaved, Notice
from engine.local import Local
from engine.plan.hardware.facts import Device
from engine.records import metadata
from engine.requests import TextToImage
from engine.stopping import Stop

ASKED = TextToImage(prompt="a cat", checkpoint="sd1", seed=5, steps=2, width=16, height=16, count=2, precision="float32")
GONE = "CUDA error: unspecified launch failure"


def put_in_a_card(local: Local) -> Device:
    """A card whose driver answers to the CPU's name, so that its run can begin here."""
    state = local._state
    card = type("Card", (Device,), {"torch": "cpu"})(kind="cuda", name="a card", capability=(8, 6))
    hardware = dataclasses.replace(state.hardware, device=card, devices=(card, *state.hardware.devices))
    local._state = dataclasses.replace(state, hardware=hardware)
    return card


def break_once(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    real, calls = diffusers.UNet2DConditionModel.forward, 0

    def forward(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == after:
            raise RuntimeError(GONE)
        return real(*arguments, **named)

    monkeypatch.setattr(diffusers.UNet2DConditionModel, "forward", forward)


def test_at_first_a_new_process_shall_try_the_card_again(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_a_card(local)
    break_once(monkeypatch, 1)
    with pytest.raises(DeviceLost, match="“a card” stopped responding in the middle of this job"):
        list(local.run("job", ASKED, Stop()))


@pytest.mark.parametrize("after", [1, 4])
def test_when_it_is_lost_again_the_job_goes_on_without_the_card_and_says_so(
    after: int, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_a_card(local)
    break_once(monkeypatch, after)
    events = list(local.run("job", ASKED, Stop(), attempt=2, device_was_lost=True))
    last = events[-1]
    assert isinstance(last, Finished) and len(last.results) == 2
    assert [event.index for event in events if isinstance(event, ImageSaved)] == [0, 1]
    (said,) = (event.text for event in events if isinstance(event, Notice))
    assert said == (
        "a card cannot be used: it stopped responding. Restart the computer if it does not come back. "
        "Easel uses the CPU instead, which is much slower."
    )
    record = metadata.read(last.results[1].path)
    assert record is not None and record.resolved.environment["device"] != "a card"
    assert local.describe().notes.startswith("a card cannot be used")


def test_on_the_cpu_such_an_error_is_what_it_is(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    break_once(monkeypatch, 1)
    with pytest.raises((RuntimeError, EaselError), match="launch failure"):
        list(local.run("job", ASKED, Stop()))
