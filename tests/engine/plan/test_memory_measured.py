"""The prediction beside a real process: random networks, so that no checkpoint is needed."""

from __future__ import annotations

import pytest

from benchmarks.memory import CASES, measure_peaks


@pytest.mark.long
@pytest.mark.parametrize("name", ["tiny, 512, batch of 4", "tiny, 768"])
def test_the_prediction_is_near_what_is_measured(name: str) -> None:
    predicted, measured = measure_peaks(name, CASES[name])
    assert predicted.peak_ram == pytest.approx(max(measured.values()), rel=0.2)
