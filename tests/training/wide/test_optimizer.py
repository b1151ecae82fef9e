"""Muon for matrices and AdamW for the rest, as one optimiser."""

from __future__ import annotations

import pytest
import torch

from training.wide.optimizer import MATRIX_RATE, RATE, Optimizer

WIDTH = 12


def network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    parts = {"embedding": torch.nn.Embedding(5, WIDTH), "inner": torch.nn.Linear(WIDTH, WIDTH)}
    together = torch.nn.Sequential()
    for name, part in parts.items():
        together.add_module(name, part)
    return together


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_moves_by_an_orthogonal_step(memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(8, 6, 3).to(memory_format=memory_format)  # type: ignore[call-overload] torch's stub lacks it
    before = layer.weight.detach().clone()
    optimizer = Optimizer([layer])
    optimizer.step(layer(torch.randn(4, 8, 5, 5)).square().sum(), 1.0)
    moved = (layer.weight.detach() - before * (1 - MATRIX_RATE * 0.01)).reshape(6, -1)
    strengths = torch.linalg.svdvals(moved)
    assert strengths.max() / strengths.min() < 2 and layer.weight.is_contiguous(memory_format=memory_format)


def test_embeddings_and_biases_are_moved_by_adam_and_only_where_they_were_used() -> None:
    both = network()
    before = {name: value.detach().clone() for name, value in both.named_parameters()}
    Optimizer([both]).step(both(torch.tensor([1, 3])).square().sum(), 0.5)
    moved = {name: (value.detach() - before[name] * (1 - 0.5 * RATE * 0.01)).abs() for name, value in both.named_parameters()}
    assert torch.allclose(moved["inner.bias"], torch.full((WIDTH,), 0.5 * RATE), rtol=1e-2)
    assert torch.allclose(moved["embedding.weight"][[1, 3]], torch.full((2, WIDTH), 0.5 * RATE), rtol=1e-2)
    assert moved["embedding.weight"][[0, 2, 4]].max() < 1e-8


def test_a_rare_direction_is_learnt_as_quickly_as_a_common_one() -> None:
    layer = torch.nn.Linear(2, 2)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    given, asked = torch.tensor([[1.0, 0.0], [0.0, 0.1]]), torch.eye(2)
    optimizer = Optimizer([layer])
    for _ in range(20):
        optimizer.step((layer(torch.cat([given, -given])) - torch.cat([asked, -asked])).square().sum(), 1.0)
    common, rare = layer.weight.detach().diagonal()
    assert float(rare) == pytest.approx(float(common), rel=0.3) and common > 0
