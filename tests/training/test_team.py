"""A team of two real processes. The file imports little: each member imports it again."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from training.team import Team, run_team


def _write_mean(team: Team, folder: str) -> None:
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.full((3,), float(team.rank + 1))
    team.average([parameter])
    rate, go_on = team.agree(0.1 * (team.rank + 1), team.leads)
    Path(folder, str(team.rank)).write_text(json.dumps([parameter.grad.tolist(), rate, go_on]))


def test_a_team_agrees_on_gradients_and_orders(tmp_path: Path) -> None:
    run_team(2, 8, _write_mean, (str(tmp_path),))
    first, second = (json.loads((tmp_path / str(rank)).read_text()) for rank in (0, 1))
    assert first == second == [[1.5, 1.5, 1.5], 0.1, True]
