"""No image is lost, made twice or half written when servers and workers are killed, also during a write."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.attack.kills.siege import Siege
from tests.attack.tally import Tally

KILLED_WRITER = "tests.attack.kills.writer:KilledWriter"
SCRIPTS = ("script: quick", "script: quick too", "script: slow")
PROMPTS = ("a cat on the beach", "two penguins in the snow", "a rocket in space")


def lay_siege(tally: Tally, folder: Path, runner: str, prompts: tuple[str, ...], kills: int, longest: float, seed: int) -> None:
    counts = Siege(folder, runner, prompts, random.Random(seed)).lay(kills, longest)
    print(f"\n{runner}: {counts}")
    tally.add_attempts(counts.kills)
    tally.count("lost", counts.lost + counts.missing, str(counts))
    tally.count("twice", counts.twice, str(counts))
    tally.count("half written", counts.half, str(counts))
    tally.count("traces shown", counts.traces, str(counts))
    assert counts.kills >= kills and counts.queued and counts.finished and not counts.orphans, counts


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_kills_lose_nothing(kills: int, tmp_path: Path, tally: Tally) -> None:
    lay_siege(tally, tmp_path, KILLED_WRITER, SCRIPTS, kills, longest=0.6, seed=kills)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_kills_of_the_real_engine_lose_nothing(tmp_path: Path, tally: Tally) -> None:
    lay_siege(tally, tmp_path, "engine.local:Local", PROMPTS, kills=20, longest=8, seed=20)
