"""Grids on the page: from the form to the request and back, what is said before, and what is shown of many pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import RequestError
from engine.events import Result
from engine.generate.estimate import Estimate
from engine.requests import AXES, MOST_CELLS, Axis, TextToImage, check
from engine.settings import Settings
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.estimate import combine_estimates, list_samples, render_estimate
from ui.common.job_view import View
from ui.grid.grid_fields import MATRIX, MOST_SHOWN, add_axes, choose_shown, fill_grid
from ui.tabs.text_to_image import form

STARTER = CheckpointOptions(Settings()).find("starter")
GRID = TextToImage(
    prompt="a cat, red",
    axes=(
        Axis(field="steps", values=("10", "20")),
        Axis(field="words", values=("cat", "dog, wet")),
        Axis(field="append", values=("", "x")),
    ),
)


def written(**changes: str) -> dict[str, str]:
    return {**form.BLANK, "prompt": "a cat", **changes}


def test_what_a_form_asks_for_is_put_back_into_it_from_the_record_of_the_sheet() -> None:
    asked = add_axes(TextToImage(prompt="a cat, red"), fill_grid(GRID))
    assert asked == GRID
    check(asked)
    whole = form.create_request({**written(prompt="a cat, red"), **fill_grid(GRID)}, STARTER)
    assert whole.axes == GRID.axes and whole.count == 8
    assert fill_grid(TextToImage(prompt="a cat")) == dict.fromkeys(fill_grid(GRID), "")


def test_a_prompt_matrix_takes_two_directions_and_leaves_one() -> None:
    both = written(prompt="a cat | at night | in snow", grid_x=MATRIX, grid_y="seed", grid_y_values="1-3")
    asked = form.create_request(both, STARTER)
    assert asked.prompt.endswith("a cat") and [len(axis.values) for axis in asked.axes] == [2, 2, 3] and asked.count == 12
    with pytest.raises(RequestError, match="up to 3"):
        form.create_request({**both, "grid_z": "steps", "grid_z_values": "1, 2"}, STARTER)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"grid_x_values": "1, 2"}, "nothing that they are values of"),
        ({"grid_x": "steps"}, "no values"),
        ({"grid_x": "steps", "grid_x_values": "1, many"}, "“many”"),
        ({"grid_x": "seed", "grid_x_values": "1-101", "grid_y": "clip_skip", "grid_y_values": ", ".join(["1"] * 100)}, "10,100"),
    ],
)
def test_what_cannot_be_used_is_said(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        form.create_request(written(**wrong), STARTER)


def test_the_size_of_a_grid_and_its_time_are_said_before() -> None:
    said = render_estimate(
        Estimate(need=1 << 30, free=9 << 30, seconds=2.0), 10_000, tuple(Axis(field="seed", values=("1",) * 100) for _ in "xy")
    )
    assert "100 × 100: 10,000 pictures" in said and "all 10,000" in said and "hours" in said


def test_cells_of_all_rows_and_columns_are_estimated() -> None:
    axes = (Axis(field="seed", values=tuple(map(str, range(100)))), Axis(field="steps", values=tuple(map(str, range(1, 101)))))
    samples = list_samples(TextToImage(axes=axes))
    assert len(samples) == 24 and len({each.steps for each in samples}) > 12 and len({each.seed for each in samples}) > 12
    assert TextToImage(axes=axes).count == MOST_CELLS
    found = combine_estimates([Estimate(need=1, seconds=1.0), Estimate(need=5, seconds=3.0), Estimate(need=2)])
    assert (found.need, found.seconds) == (5, 2.0)
    assert combine_estimates([Estimate(need=1, seconds=1.0), Estimate(refusal="too large")]).refusal == "too large"


def test_the_sheet_comes_first_and_a_page_of_cells_after_it() -> None:
    grid = TextToImage(axes=(Axis(field="seed", values=tuple(map(str, range(200)))),))
    results = tuple(
        Result(path=Path(f"/out/120000-job-{number}-7.png"), seed=7, width=8, height=8, seconds=0.0) for number in range(201)
    )
    shown = choose_shown(grid, View(results=results)).results
    assert shown[0] == results[200] and shown[1:] == results[200 - MOST_SHOWN : 200]
    assert choose_shown(TextToImage(count=201), View(results=results)).results == results
    assert set(AXES) >= {axis.field for axis in GRID.axes}
