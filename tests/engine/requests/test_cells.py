"""Grids as requests: what may vary, the values as people write them, the cells, and what is refused in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import RequestError
from engine.prompt.prompt_matrix import read_matrix
from engine.requests import (
    AXES,
    MOST_CELLS,
    Axis,
    CompareNegative,
    ImageToImage,
    TextToImage,
    check,
    describe_cell,
    from_json,
    list_cells,
    read_values,
    to_json,
    write_values,
)

VALUES: dict[str, tuple[str, ...]] = {
    "guidance": ("cfg", "apg"), "scheduler": ("Euler", "DDIM"), "schedule": ("Automatic", "Karras"), "speed": ("exact", "draft"),
    "size": ("64x96", "96 × 64"), "words": ("cat", "dog"), "append": ("", "at night"), "hires_upscaler": ("latent", "lanczos"),
    "vae": ("none", "clear"), "refiner": ("none", "polish"), "checkpoint": ("one", "two"), "lora_weight": ("0.5", "1"),
}  # fmt: skip
BASE: dict[str, Any] = {"prompt": "a cat <lora:ink:1>", "hires": True, "variation_strength": 0.1, "refiner": "polish"}


def axis(field: str, *values: str) -> Axis:
    return Axis(field=field, values=values)


@pytest.mark.parametrize("field", AXES)
def test_whatever_varies_changes_the_request_and_survives_a_restart(field: str) -> None:
    values = VALUES.get(field, ("0", "1") if field not in ("steps", "hires_steps") else ("1", "2"))
    asked = ImageToImage(init_image="a", axes=(axis(field, *values), axis("append", "x", "y")), **BASE)
    check(asked)
    assert from_json(to_json(asked)) == asked and asked.count == 4
    cells = list(list_cells(asked))
    assert len({cell.request for cell in cells}) == 4 and {cell.place for cell in cells} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert all(cell.request.axes == () and cell.request.count == 1 for cell in cells)


def test_each_checkpoint_comes_once_whatever_else_varies() -> None:
    asked = TextToImage(prompt="a", axes=(axis("seed", "1", "2", "3"), axis("checkpoint", "one", "two"), axis("steps", "4", "8")))
    names = [cell.request.checkpoint for cell in list_cells(asked)]
    assert names == ["one"] * 6 + ["two"] * 6
    assert describe_cell(asked.axes, (2, 1, 0)) == "Seed 3, Checkpoint two, Steps 4"


REFUSED: dict[str, dict[str, Any]] = {
    "up to 3 directions": {"axes": tuple(axis(name, "1") for name in ("seed", "steps", "clip_skip", "guidance_scale"))},
    "twice": {"axes": (axis("steps", "1"), axis("steps", "2"))},
    "nothing that a grid can vary": {"axes": (axis("luck", "1"),)},
    "no values": {"axes": (axis("steps"),)},
    "must be a whole number": {"axes": (axis("steps", "many"),)},
    "must be a number": {"axes": (axis("guidance_scale", "much"),)},
    "Steps must be from 1 to 1000": {"axes": (axis("seed", "1"), axis("steps", "5", "5000"))},
    "not a seed": {"axes": (axis("seed", "-1"),)},
    "cannot be read": {"axes": (axis("size", "large"),)},
    "in neither prompt": {"axes": (axis("words", "dog", "cat"),)},
    "names no LoRA": {"axes": (axis("lora_weight", "1"),)},
    "pictures to begin with": {"axes": (axis("strength", "0.5"),)},
    "Switch it on first": {"axes": (axis("hires_strength", "0.5"),)},
    "a refiner": {"axes": (axis("refiner_start", "0.5"),)},
    "variation strength above 0": {"axes": (axis("variation_seed", "1"),)},
    "is empty": {"axes": (axis("scheduler", ""),)},
    "10,100 pictures": {"axes": (axis("seed", *map(str, range(101))), axis("clip_skip", *["1"] * 100))},
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_a_grid_is_refused_in_a_sentence(said: str) -> None:
    with pytest.raises(RequestError, match=said):
        check(TextToImage(prompt="a cat", **REFUSED[said]))


def test_comparisons_drafts_and_lists_of_strengths_are_no_grids() -> None:
    seeds = (axis("seed", "1", "2"),)
    for asked in (
        CompareNegative(prompt="a", negative_prompt="b", axes=seeds),
        ImageToImage(init_image="a", draft=True, axes=seeds),
        ImageToImage(init_image="a", strengths=(0.1, 0.2), axes=seeds),
    ):
        with pytest.raises(RequestError):
            check(asked)


def test_ten_thousand_pictures_are_a_grid() -> None:
    asked = TextToImage(axes=(axis("seed", *map(str, range(100))), axis("guidance_scale", *map(str, range(1, 101)))))
    check(asked)
    assert asked.count == MOST_CELLS == sum(1 for _ in list_cells(asked))


@pytest.mark.parametrize(
    ("field", "text", "values"),
    [
        ("steps", "10, 20,30", ("10", "20", "30")),
        ("seed", "1-4", ("1", "2", "3", "4")),
        ("seed", "9007199254740993", ("9007199254740993",)),
        ("steps", "10-1 (-3), 5", ("10", "7", "4", "1", "5")),
        ("guidance_scale", "1-3 (+0.5)", ("1", "1.5", "2", "2.5", "3")),
        ("guidance_scale", "0-1 [5]", ("0", "0.25", "0.5", "0.75", "1")),
        ("steps", "1-10 [4]", ("1", "4", "7", "10")),
        ("lora_weight", "-1, 0.5", ("-1", "0.5")),
        ("words", 'cat, "dog, wet"\nhorse', ("cat", "dog, wet", "horse")),
        ("append", '"", at night', ("", "at night")),
        ("scheduler", "DPM++ 2M, Euler a", ("DPM++ 2M", "Euler a")),
    ],
)
def test_values_are_read_as_people_write_them_and_written_back(field: str, text: str, values: tuple[str, ...]) -> None:
    assert read_values(field, text) == values == read_values(field, write_values(values))


def test_a_random_seed_is_drawn_once_so_that_a_grid_can_go_on_after_a_kill() -> None:
    drawn = read_values("seed", "-1, -1, 7")
    assert len(set(drawn)) == 3 and drawn[2] == "7" and all(int(seed) >= 0 for seed in drawn)


@pytest.mark.parametrize("text", ["1-5 (-1)", "1-5 (0)", "1-1000000", "1-5 [0]", "0-1 (0.00001)"])
def test_a_range_that_has_no_values_or_too_many_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="1 to 10,000"):
        read_values("steps", text)


def test_a_prompt_matrix_has_every_combination_of_its_parts() -> None:
    base, axes = read_matrix("a (cat|dog:1.2) {red|blue} | at night | in snow | by moonlight")
    asked = TextToImage(prompt=base, axes=axes)
    prompts = [cell.request.prompt for cell in list_cells(asked)]
    assert base == "a (cat|dog:1.2) {red|blue}" and len(set(prompts)) == len(prompts) == 8
    assert {base, f"{base}, at night, in snow, by moonlight", f"{base}, in snow, by moonlight"} <= set(prompts)
    check(asked)
    for wrong in ("a cat", "a cat |", "|".join("abcdefghijklmnop")):
        with pytest.raises(RequestError):
            read_matrix(wrong)
