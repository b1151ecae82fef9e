from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace

import pytest

from engine.records.compare import MEANINGS, NOT_COMPARED, differences
from engine.requests import ExecutionPlan, Resolved

PLAN = ExecutionPlan(
    attention_backend="math",
    device="cuda:0", dtypes={"unet": "float16"}, channels_last=False, attention_upcast=True, reasons=("It was asked for.",),
    measures=("unet_offload",), storage={"unet": "float8_e4m3fn"}, vae_tile=512, batch_limit=2, compiler="inductor",
    attention_scores=2**26, repaint_tiles=True, extrapolates=True,
)  # fmt: skip
"""In every field other than the plan of the fixture."""


def test_the_same_machine_makes_no_difference(resolved: Resolved) -> None:
    assert differences(resolved, resolved) == []


def test_what_differs_is_named_the_weightiest_first(resolved: Resolved) -> None:
    plan = replace(resolved.plan, dtypes={"unet": "float32", "vae": "float32"})
    environment = {**resolved.environment, "torch": "2.16.0", "system": "Linux"}
    here = replace(resolved, plan=plan, threads=8, checkpoint_hash="cd" * 32, environment=environment)
    then = replace(resolved, environment={**resolved.environment, "system": "Windows"})
    found = differences(then, here)
    assert [(d.label, d.matters) for d in found] == [
        ("Checkpoint", True),
        ("Precision", True),
        ("PyTorch", True),
        ("Threads", True),
        ("Operating system", False),
    ]
    assert (found[1].then, found[1].now) == ("unet bfloat16, vae float32", "unet float32, vae float32")
    assert all(d.why.endswith(".") for d in found)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ExecutionPlan) if field.name != "reasons"])
def test_every_field_of_a_plan_is_compared_and_has_a_label(name: str, resolved: Resolved) -> None:
    changed = vars(PLAN)[name]
    assert changed != vars(resolved.plan)[name]
    (found,) = differences(resolved, replace(resolved, plan=replace(resolved.plan, **{name: changed})))
    assert found.label in {meaning.label for meaning in MEANINGS.values()} and found.then != found.now


@pytest.mark.parametrize("name", ["threads", "batch_size", "checkpoint_hash"])
def test_every_field_of_a_record_is_compared(name: str, resolved: Resolved) -> None:
    (found,) = differences(resolved, replace(resolved, **{name: "cd" * 32 if name == "checkpoint_hash" else 99}))
    assert found.label in {meaning.label for meaning in MEANINGS.values()}
    compared = {field.name for field in dataclasses.fields(Resolved)} - {*NOT_COMPARED}
    assert compared == {"threads", "batch_size", "checkpoint_hash"}


def test_a_field_that_a_plan_gains_is_compared_too(resolved: Resolved) -> None:
    @dataclass(frozen=True, kw_only=True)
    class LaterPlan(ExecutionPlan):
        quantisation: str = ""

    then = replace(resolved, plan=LaterPlan(**vars(resolved.plan)))
    here = replace(resolved, plan=LaterPlan(**vars(resolved.plan), quantisation="int8"))
    (found,) = differences(then, here)
    assert (found.label, found.then, found.now, found.matters) == ("quantisation", "none", "int8", True)


def test_what_is_unknown_here_is_not_compared_and_what_is_new_counts(resolved: Resolved) -> None:
    assert differences(resolved, replace(resolved, environment={})) == []
    assert differences(resolved, replace(resolved, environment={**resolved.environment, "unheard of": "1"})) == []
    strange = replace(resolved, environment={"kernel library": "3"})
    (found,) = differences(strange, replace(resolved, environment={"kernel library": ""}))
    assert (found.label, found.then, found.now, found.matters) == ("kernel library", "3", "none", True)
