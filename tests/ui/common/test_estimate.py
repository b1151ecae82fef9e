"""What the page says before Generate is pressed."""

from __future__ import annotations

from engine.generate.estimate import Estimate
from ui.common.estimate import render_estimate


def test_what_does_not_fit_is_said_with_what_would() -> None:
    said = render_estimate(Estimate(need=9 << 30, free=1 << 30, refusal="It needs 9.0 GB of memory & 512 x 512 would fit."), 1)
    assert "does not fit into memory" in said and "512 x 512 would fit" in said and "&amp;" in said
    assert 'class="outlook refused"' in said


def test_what_fits_is_said_with_how_long_it_takes() -> None:
    said = render_estimate(Estimate(need=1 << 30, free=9 << 30, measures=("Decoded in tiles.",), seconds=2.0), 3)
    assert "not fit" not in said and "1.0 GB" in said and "Decoded in tiles." in said and "all 3" in said
