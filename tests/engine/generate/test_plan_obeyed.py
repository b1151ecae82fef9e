"""A loaded pipeline lies where its plan says, in the precisions that it says: every parameter and every buffer of numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from engine.local import Local
from engine.plan import choose
from engine.requests import ExecutionPlan
from tests.engine.plan.conftest import MACHINES

NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2", "depth_estimator")


def tensors(pipeline: object) -> Iterator[tuple[str, str, torch.Tensor]]:
    for component in NETWORKS:
        network = getattr(pipeline, component, None)
        if network is not None:
            yield from ((component, name, tensor) for name, tensor in (*network.named_parameters(), *network.named_buffers()))


def check(plan: ExecutionPlan, kind: str, local: Local) -> None:
    entry = local._workshop.catalogue.find(kind)
    with local._workshop.cache.lease(entry, plan) as pipeline:
        seen = list(tensors(pipeline))
    assert {component for component, _, _ in seen} == set(entry.architecture.dtypes)
    for component, name, tensor in seen:
        assert tensor.device.type == plan.device, f"{component}.{name} lies on {tensor.device}"
        if tensor.is_floating_point():
            assert str(tensor.dtype) == f"torch.{plan.dtype(component)}", f"{component}.{name} is in {tensor.dtype}"


@pytest.mark.parametrize("kind", ["sd1", "sd2_v", "xl"])
@pytest.mark.parametrize("machine", ["x86 CPU with AVX-512 BF16", "x86 CPU without bfloat16", "ARM CPU with bfloat16"])
def test_a_processors_plan_is_obeyed(kind: str, machine: str, local: Local) -> None:
    check(choose(MACHINES[machine], local._workshop.catalogue.find(kind).architecture), kind, local)


@pytest.mark.parametrize("kind", ["sd1", "xl"])
@pytest.mark.parametrize("machine", ["NVIDIA Ampere", "NVIDIA Turing RTX", "AMD Vega", "Intel graphics without XMX"])
def test_a_cards_precisions_are_obeyed_on_another_device(kind: str, machine: str, local: Local) -> None:
    """Torch's device without memory stands in for the card: what lies on it was put there."""
    plan = choose(MACHINES[machine], local._workshop.catalogue.find(kind).architecture)
    check(dataclasses.replace(plan, device="meta"), kind, local)
