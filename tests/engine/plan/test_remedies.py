"""The remedies of the self-test: what each changes, that nothing else changes, and that results survive in their file."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from engine.plan.hardware.facts import Device
from engine.plan.memory import Work, predict
from engine.plan.remedies import (
    AGREES,
    DIFFERS,
    FILE,
    MOST_UNFINISHED,
    REMEDIES,
    UNTESTED,
    Remedy,
    SelfTestResult,
    apply_remedies,
    ask_for_self_test,
    describe_result,
    explain_remedies,
    read_result,
    write_result,
)
from engine.requests import ExecutionPlan
from engine.settings import HOUSE
from tests.engine.plan.conftest import MACHINES

AMPERE, TURING = MACHINES["NVIDIA Ampere"], MACHINES["NVIDIA Turing RTX"]
HALF = ExecutionPlan(
    device="cuda:0", dtypes={"unet": "float16", "vae": "float16", "text_encoder": "float16", "text_encoder_2": "float16"},
    attention_upcast=True, compiler="openvino",
)  # fmt: skip
CARD = Device(kind="cuda", name="GeForce RTX 3060")
VERSIONS = {"torch": "2.12", "diffusers": "0.42", "driver": "580.1", "precision": "unet float16"}

CHANGES = {
    "not_compiled": {"compiler": ""},
    "math_attention": {"attention_backend": "math"},
    "sliced_attention": {"attention_backend": "sliced"},
    "contiguous": {"channels_last": False},
    "vae_bfloat16": {"dtypes": {**HALF.dtypes, "vae": "bfloat16"}},
    "vae_float32": {"dtypes": {**HALF.dtypes, "vae": "float32"}},
    "text_encoder_float32": {"dtypes": {**HALF.dtypes, "text_encoder": "float32", "text_encoder_2": "float32"}},
    "denoiser_bfloat16": {"dtypes": {**HALF.dtypes, "unet": "bfloat16"}, "attention_upcast": False},
    "denoiser_float32": {"dtypes": {**HALF.dtypes, "unet": "float32"}, "attention_upcast": False},
}


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_a_remedy_changes_what_it_names_and_says_so(remedy: Remedy) -> None:
    changed = remedy.apply(HALF, AMPERE)
    assert dataclasses.replace(changed, reasons=()) == dataclasses.replace(HALF, **CHANGES[remedy.name])
    assert len(changed.reasons) == 1 and remedy.words in changed.reasons[0]
    assert remedy.apply(changed, AMPERE) == changed


def test_a_remedy_takes_no_precision_that_the_card_only_emulates_and_lowers_none() -> None:
    assert apply_remedies(HALF, ("vae_bfloat16", "denoiser_bfloat16"), TURING) == HALF
    exact = dataclasses.replace(HALF, dtypes=dict.fromkeys(HALF.dtypes, "float32"), attention_upcast=False)
    assert apply_remedies(exact, ("vae_bfloat16", "denoiser_bfloat16", "vae_float32"), AMPERE) == exact


def test_a_transformer_is_a_denoiser_too_and_unknown_remedies_are_left_out() -> None:
    plan = ExecutionPlan(device="cuda:0", dtypes={"transformer": "float16", "vae": "float16"})
    changed = apply_remedies(plan, ("denoiser_float32", "of another version"), AMPERE)
    assert changed.dtypes == {"transformer": "float32", "vae": "float16"}


@pytest.mark.parametrize("backend", ["math", "sliced"])
def test_plain_attention_is_planned_with_the_memory_of_its_scores(backend: str) -> None:
    work = Work(parameters={"unet": 860_000_000, "vae": 80_000_000}, width=1024, height=1024)
    plain, torchs = (predict(work, dataclasses.replace(HALF, compiler="", attention_backend=name)) for name in (backend, ""))
    scores = 2 * (1024 // 8) ** 4 * 2 * (16 if backend == "math" else 1)
    assert plain.phases["denoise"] - torchs.phases["denoise"] == pytest.approx(scores, rel=0.01)
    assert plain.phases["decode"] > torchs.phases["decode"]


FOUND = SelfTestResult(state=AGREES, versions=VERSIONS, remedies=("contiguous", "vae_float32"), distance=7.5, date="2026-11-30")


@pytest.mark.parametrize("result", [
    FOUND,
    SelfTestResult(state=DIFFERS, versions=VERSIONS, date="2026-11-30"),
    SelfTestResult(trouble="The starter is gone.", versions={}, unfinished=1, is_asked=True),
])  # fmt: skip
def test_a_result_is_kept_for_its_device_alone(result: SelfTestResult, tmp_path: Path) -> None:
    write_result(tmp_path, CARD, result)
    assert read_result(tmp_path, CARD) == result
    assert read_result(tmp_path, dataclasses.replace(CARD, index=1)) == SelfTestResult()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"GeForce RTX 3060 (cuda:0)": 7}', "\x00", None])
def test_a_store_that_cannot_be_read_means_not_tested(text: str | None, tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir() if text is None else (tmp_path / FILE).write_text(text)
    found = read_result(tmp_path, CARD)
    assert found == SelfTestResult() and found.is_due(VERSIONS)


def test_of_a_damaged_result_what_can_be_read_counts(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        '{"GeForce RTX 3060 (cuda:0)": {"state": "perfect", "remedies": ["contiguous", 3, "magic"], "distance": "far",'
        ' "unfinished": -1, "versions": {"torch": 2, "driver": "580"}, "date": 1}}'
    )
    assert read_result(tmp_path, CARD) == SelfTestResult(remedies=("contiguous",), versions={"driver": "580"})


def test_an_infinite_distance_or_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    write_result(tmp_path, CARD, dataclasses.replace(FOUND, distance=math.inf))
    assert read_result(tmp_path, CARD).distance is None
    (tmp_path / "file").write_text("")
    write_result(tmp_path / "file", CARD, FOUND)
    assert read_result(tmp_path / "file", CARD) == SelfTestResult()


def test_a_device_is_tested_once_and_again_when_something_changes_or_an_image_asks(tmp_path: Path) -> None:
    assert SelfTestResult().is_due(VERSIONS)
    assert not FOUND.is_due(VERSIONS)
    for name in VERSIONS:
        assert FOUND.is_due({**VERSIONS, name: "another"})
    write_result(tmp_path, CARD, FOUND)
    ask_for_self_test(tmp_path, CARD)
    asked = read_result(tmp_path, CARD)
    assert asked.is_due(VERSIONS) and asked.remedies == FOUND.remedies


def test_a_test_that_ends_the_process_twice_is_not_run_again_until_something_changes() -> None:
    begun = SelfTestResult(versions=VERSIONS, unfinished=MOST_UNFINISHED - 1)
    ended = dataclasses.replace(begun, unfinished=MOST_UNFINISHED)
    assert begun.is_due(VERSIONS) and not ended.is_due(VERSIONS) and ended.is_due({**VERSIONS, "driver": "581"})
    assert "not run again" in describe_result(ended)


def test_the_page_is_told_on_every_tab_only_what_is_wrong() -> None:
    assert explain_remedies(SelfTestResult()) == explain_remedies(SelfTestResult(state=AGREES, versions=VERSIONS)) == ()
    (said,) = explain_remedies(FOUND)
    assert "wrong pictures" in said and "channel by channel and the decoder (VAE) runs in float32" in said
    (differs,) = explain_remedies(SelfTestResult(state=DIFFERS, versions=VERSIONS))
    assert "Update its driver" in differs
    assert SelfTestResult().state == UNTESTED and "Not tested yet" in describe_result(SelfTestResult())


def test_the_documentation_has_the_table() -> None:
    text = (HOUSE / "docs" / "plan.md").read_text("utf-8")
    rows = "".join(f"| {remedy.name} | {remedy.words} |\n" for remedy in REMEDIES)
    assert f"| Change | What is done |\n| --- | --- |\n{rows}" in text
