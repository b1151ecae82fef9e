from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.common import Clock, MovingAverage, load_state, save_state


def test_the_clock_warms_up_and_ends_low() -> None:
    clock = Clock(1, steps=1000)
    rates = [clock.learning_rate(step, 1.0) for step in (0, 100, 300, 999)]
    assert rates[0] < 0.01 and rates[1] == pytest.approx(0.505) and rates[2] == 1.0 and rates[3] < 0.03


def test_an_average_follows_the_weights_and_is_taken_up_again(tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(network.weight)
    average, other = MovingAverage(network, 0.9), MovingAverage(network, 0.9)
    torch.nn.init.ones_(network.weight)
    average.update()
    assert float(average.weights()["weight"]) == pytest.approx(9 / 11)  # a young one forgets faster
    for _ in range(200):
        average.update()
    assert float(average.weights()["weight"]) == pytest.approx(1)
    save_state({"average": average.weights()}, tmp_path / "state.pt")
    other.take(load_state(tmp_path / "state.pt")["average"], 201)  # type: ignore[arg-type]
    assert other.steps == 201 and torch.equal(other.weights()["weight"], average.weights()["weight"])
