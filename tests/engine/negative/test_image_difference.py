from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.negative import image_difference

GREY = Image.new("RGB", (40, 20), (100, 100, 100))


def spotted(level: int, side: int) -> Image.Image:
    """The grey image with a square of another grey in its corner."""
    image = GREY.copy()
    image.paste((level, level, level), (0, 0, side, side))
    return image


def test_the_ends_of_the_scale() -> None:
    black, white = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "white")
    assert image_difference.measure(GREY, GREY.copy()) == 0
    assert image_difference.measure(black, white) == pytest.approx(1)


def test_a_small_part_that_changed_much_is_seen_and_a_trace_everywhere_is_not() -> None:
    trace = Image.new("RGB", (40, 20), (101, 101, 101))
    assert image_difference.measure(GREY, trace) == pytest.approx(image_difference.VISIBLE)
    assert image_difference.measure(GREY, spotted(200, 4)) == pytest.approx((100 / 255) * (16 / 800) ** 0.5, rel=1e-4)
    assert image_difference.measure(GREY, spotted(200, 4)) > 10 * image_difference.VISIBLE


def test_saved_pictures(tmp_path: Path) -> None:
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    GREY.save(one)
    spotted(200, 4).save(other)
    assert (
        image_difference.measure_files(one, other)
        == image_difference.measure_files(other, one)
        == image_difference.measure(GREY, spotted(200, 4))
    )


def test_the_map_is_bright_where_something_changed_and_nowhere_else() -> None:
    levels = np.asarray(image_difference.render_map(GREY, spotted(255, 5))).astype(int).sum(axis=2)
    assert levels.shape == (20, 40)
    outside = levels.copy()
    outside[:5, :5] = levels[10, 10]
    assert (outside == levels[10, 10]).all() and (levels[:5, :5] > levels[10, 10] + 100).all()


def test_a_large_picture_has_a_map_that_a_page_can_carry() -> None:
    assert max(image_difference.render_map(Image.new("RGB", (1536, 1024)), Image.new("RGB", (1536, 1024), "white")).size) == 512
