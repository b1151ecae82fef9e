"""Whatever can meet on a card is tried there: every pair of values on each run, every triple with ``--long``."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from tests.card import exercise
from tests.card.combinations import AXES, TRANSFORMERS, cover_all, meetings, possible_rows
from tests.card.stand_in import Card

ROWS = possible_rows()


@pytest.mark.parametrize("size", [2, 3])
def test_the_rows_hold_whatever_can_meet(size: int) -> None:
    chosen = cover_all(size)
    assert set(chain.from_iterable(meetings(row, size) for row in ROWS)) == {m for row in chosen for m in meetings(row, size)}
    assert len(chosen) < len(ROWS) / 5


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", AXES["family"])
def test_every_pair_works(family: str, card: Card, card_models: Path) -> None:
    assert card.run(exercise.try_rows, card_models, [row for row in cover_all(2) if row.family == family]) == []


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", AXES["family"])
def test_every_triple_works(family: str, card: Card, card_models: Path) -> None:
    assert card.run(exercise.try_rows, card_models, [row for row in cover_all(3) if row.family == family]) == []


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", TRANSFORMERS)
def test_every_pair_of_stable_diffusion_3_works(family: str, card: Card, sd3_models: Path) -> None:
    rows = [row for row in cover_all(2, TRANSFORMERS) if row.family == family]
    assert card.run(exercise.try_rows, sd3_models, rows) == []
