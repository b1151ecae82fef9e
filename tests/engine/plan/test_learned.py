"""What was learnt on this machine is kept, and a lost or damaged file is no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.plan.hardware.facts import Device
from engine.plan.hardware.precision_trial import measure_gain, time_gain
from engine.plan.learned import PLENTY, Circumstance, LearnedFacts, apply_learned, learn
from engine.plan.precision import choose
from engine.plan.reference_checkpoints import REFERENCE_CHECKPOINTS
from tests.engine.plan.conftest import MACHINES

V1 = REFERENCE_CHECKPOINTS[0].family
AMPERE = MACHINES["NVIDIA Ampere"]


def test_an_overflow_and_a_full_memory_are_remembered_for_that_checkpoint(tmp_path: Path) -> None:
    notes, plan = LearnedFacts(tmp_path / "data" / "learnt.json"), choose(AMPERE, V1)
    learn(notes, "abc", AMPERE.device, dtypes={"vae": "float32"})
    learn(notes, "abc", AMPERE.device, measure="vae_tiles")
    learn(notes, "abc", AMPERE.device, measure="vae_tiles")
    again = apply_learned(LearnedFacts(tmp_path / "data" / "learnt.json"), "abc", AMPERE.device, plan)
    assert (again.dtype("vae"), again.dtype("unet")) == ("float32", "float16")
    assert (again.measures, again.vae_tile) == (("vae_tiles",), 512)
    assert apply_learned(notes, "another", AMPERE.device, plan) == plan
    assert apply_learned(notes, "abc", Device(kind="cuda", name="another card"), plan) == plan


def test_a_bad_moment_is_not_learnt_for_ever(tmp_path: Path) -> None:
    """A measure comes back for an image as large with no more memory, is said then, and is not taken otherwise."""
    notes, plan = LearnedFacts(tmp_path / "learnt.json"), choose(AMPERE, V1)
    learn(notes, "abc", AMPERE.device, measure="unet_byte_storage", then=Circumstance(512 * 512, 3 << 30))
    again = {
        (side, free): apply_learned(notes, "abc", AMPERE.device, plan, Circumstance(side * side, free << 30))
        for side in (256, 512, 1024)
        for free in (2, 3, 6)
    }
    assert {now for now, each in again.items() if each.measures} == {(512, 2), (512, 3), (1024, 2), (1024, 3)}
    assert all("Memory is short" in each.reasons[-1] for each in again.values() if each.measures)
    assert apply_learned(notes, "abc", AMPERE.device, plan, PLENTY) == plan
    learn(notes, "abc", AMPERE.device, measure="unet_byte_storage", then=Circumstance(256 * 256, 6 << 30))
    assert apply_learned(notes, "abc", AMPERE.device, plan, Circumstance(512 * 512, 6 << 30)).measures


def test_measures_that_earlier_versions_learnt_are_tried_again_without(tmp_path: Path) -> None:
    notes, plan = LearnedFacts(tmp_path / "learnt.json"), choose(AMPERE, V1)
    learn(notes, "abc", AMPERE.device, measure="unet_byte_storage")
    assert apply_learned(notes, "abc", AMPERE.device, plan, Circumstance(2**30, 0)) == plan


def test_what_the_plan_does_already_is_not_done_twice(tmp_path: Path) -> None:
    notes, plan = LearnedFacts(tmp_path / "learnt.json"), choose(AMPERE, V1, overrule="float32")
    learn(notes, "abc", AMPERE.device, dtypes={"vae": "bfloat16"})
    assert apply_learned(notes, "abc", AMPERE.device, plan) == plan


@pytest.mark.parametrize("damage", ["", "[1, 2]", '{"abc on NVIDIA": 3}', "\x00"])
def test_a_damaged_file_is_begun_anew(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "learnt.json"
    path.write_text(damage)
    notes = LearnedFacts(path)
    assert notes.get("abc on NVIDIA") == {}
    notes.put("key", {"a": 1})
    assert LearnedFacts(path).get("key") == {"a": 1}
    assert [path.read_text() for path in tmp_path.glob("learnt.unreadable-*.json")] == ([damage] if damage[:1] != "{" else [])


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    notes = LearnedFacts(tmp_path / "file" / "learnt.json")
    notes.put("key", {"a": 1})
    assert notes.get("key") == {}


def test_a_machine_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "measured.json"
    machine = MACHINES["x86 CPU with AVX-512 BF16"]
    first = measure_gain(machine, path)
    assert first["bfloat16"] >= 0
    monkeypatch.setattr("engine.plan.hardware.precision_trial.time_gain", lambda *_: pytest.fail("measured twice"))
    assert measure_gain(machine, path) == first


def test_where_the_table_does_not_ask_nothing_is_measured(tmp_path: Path) -> None:
    assert measure_gain(MACHINES["x86 CPU without bfloat16"], tmp_path / "measured.json") == {}
    assert not list(tmp_path.iterdir())


def test_a_precision_that_does_not_run_gains_nothing() -> None:
    assert time_gain("xpu:63", "bfloat16") == 0.0
