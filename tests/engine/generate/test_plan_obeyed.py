"""A loaded pipeline lies where its plan says, in the precisions that it says: every parameter and every buffer of numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from engine.checkpoints.loaded import LoadedCheckpoint
from engine.events import ImageSaved
from engine.local import Local
from engine.plan import choose
from engine.records import metadata
from engine.requests import ExecutionPlan, TextToImage
from engine.stopping import Stop
from tests.engine.plan.conftest import MACHINES


def tensors(loaded: LoadedCheckpoint) -> Iterator[tuple[str, str, torch.Tensor]]:
    for component, network in loaded.modules.items():
        yield from ((component, name, tensor) for name, tensor in (*network.named_parameters(), *network.named_buffers()))


def check(plan: ExecutionPlan, kind: str, local: Local) -> None:
    entry = local._state.catalogue.find(kind)
    with local._state.cache.lease(entry, plan) as pipeline:
        seen = list(tensors(pipeline))
    assert {component for component, _, _ in seen} == set(entry.family.dtypes)
    for component, name, tensor in seen:
        assert tensor.device.type == plan.device, f"{component}.{name} lies on {tensor.device}"
        if tensor.is_floating_point():
            assert str(tensor.dtype) == f"torch.{plan.dtype(component)}", f"{component}.{name} is in {tensor.dtype}"


@pytest.mark.parametrize("kind", ["sd1", "sd2_v", "xl"])
@pytest.mark.parametrize("machine", ["x86 CPU with AVX-512 BF16", "x86 CPU without bfloat16", "ARM CPU with bfloat16"])
def test_a_processors_plan_is_obeyed(kind: str, machine: str, local: Local) -> None:
    check(choose(MACHINES[machine], local._state.catalogue.find(kind).family), kind, local)


@pytest.mark.parametrize("kind", ["sd1", "xl"])
@pytest.mark.parametrize("machine", ["NVIDIA Ampere", "NVIDIA Turing RTX", "AMD Vega", "Intel graphics without XMX"])
def test_a_cards_precisions_are_obeyed_on_another_device(kind: str, machine: str, local: Local) -> None:
    """Torch's device without memory stands in for the card: what lies on it was put there."""
    plan = choose(MACHINES[machine], local._state.catalogue.find(kind).family)
    check(dataclasses.replace(plan, device="meta"), kind, local)


ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=32, height=32, steps=2, seed=1)


def recorded(local: Local, job: str, precision: str) -> ExecutionPlan:
    """The plan in the file of an image."""
    events = list(local.run(job, dataclasses.replace(ASKED, precision=precision), Stop()))
    record = metadata.read(next(event.result.path for event in events if isinstance(event, ImageSaved)))
    assert record is not None and record.resolved.request.precision == precision
    return record.resolved.plan


def test_a_precision_for_one_run_is_used_and_recorded_for_that_run_alone(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    hardware = dataclasses.replace(local._state.hardware, cpu=MACHINES["x86 CPU with AVX-512 BF16"].cpu)
    local._state = dataclasses.replace(local._state, hardware=hardware, measured={"bfloat16": 3.0})
    used: set[torch.dtype] = set()
    unet, vae = UNet2DConditionModel.forward, AutoencoderKL.decode

    def noted(real: Any) -> Any:
        def call(self: Any, *given: Any, **named: Any) -> Any:
            sample: torch.Tensor = named["sample"] if "sample" in named else given[0]
            used.update({sample.dtype, next(self.parameters()).dtype})
            return real(self, *given, **named)

        return call

    monkeypatch.setattr(UNet2DConditionModel, "forward", noted(unet))
    monkeypatch.setattr(AutoencoderKL, "decode", noted(vae))
    for turn, (precision, then) in enumerate((("auto", "bfloat16"), ("float32", "float32"), ("auto", "bfloat16"))):
        used.clear()
        plan = recorded(local, f"turn{turn}", precision)
        assert set(plan.dtypes.values()) == {then} and used == {getattr(torch, then)}
        assert ("You asked for float32." in plan.reasons) == (precision == "float32")
