"""Nothing is lost when servers and workers are killed. The long ones print what they counted."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.engine.jobs.conftest import SCRIPTED
from tests.engine.jobs.kills import Siege

SCRIPTS = ("script: quick", "script: slow")
PICTURES = ("a cat on the beach", "two penguins in the snow", "a rocket in space")


def siege(folder: Path, runner: str, prompts: tuple[str, ...], kills: int, longest: float, seed: int) -> None:
    counts = Siege(folder, runner, prompts, random.Random(seed)).lay(kills, longest)
    print(f"\n{runner}: {counts}")
    assert counts.server_kills + counts.worker_kills >= kills and counts.queued and counts.finished
    assert (counts.missing, counts.half, counts.lost, counts.twice, counts.orphans) == (0, 0, 0, 0, 0), counts


def test_a_handful_of_kills_loses_nothing(tmp_path: Path) -> None:
    siege(tmp_path, SCRIPTED, SCRIPTS, kills=5, longest=1.2, seed=8)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    siege(tmp_path, SCRIPTED, SCRIPTS, kills=200, longest=1.2, seed=200)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_kills_of_the_real_engine_lose_nothing(tmp_path: Path) -> None:
    siege(tmp_path, "engine.local:Local", PICTURES, kills=20, longest=8, seed=20)
