"""A seed of -1 means a random one, wherever a seed is read."""

from __future__ import annotations

import math

import pytest

from engine.errors import RequestError
from engine.json_values import JsonValue
from engine.requests import KINDS, MAX_SEED, from_json, resolved_from_json
from engine.seeds import is_random, read_seed

RANDOM: tuple[str | float | None, ...] = (
    None, "", "  ", -1, "-1", -1.0, "-1.0", -7, -(2**70), MAX_SEED + 1, 2**80, str(2**64), "1e30", 1e300, math.inf, "-inf",
    "9" * 5000,
)  # fmt: skip
GIVEN = {0: 0, "0": 0, 7.0: 7, "7.0": 7, " 42 ": 42, "+5": 5, MAX_SEED: MAX_SEED, str(MAX_SEED): MAX_SEED, "-0.0": 0}
NO_SEEDS: tuple[str | float, ...] = ("many", 1.5, "0.5", math.nan, "nan", True, "1_", "0x10")
FILES = {"image_to_image": {"init_image": "a"}, "upscale": {"images": ["a"]}, "describe": {"image": "a"}}


@pytest.mark.parametrize("value", RANDOM)
def test_a_random_seed_in_every_spelling(value: str | float | None) -> None:
    assert read_seed(value) is None


@pytest.mark.parametrize(("value", "seed"), GIVEN.items())
def test_a_given_seed_is_read_exactly(value: str | float, seed: int) -> None:
    assert read_seed(value) == seed


@pytest.mark.parametrize("value", NO_SEEDS)
def test_what_is_not_a_whole_number_is_refused(value: str | float) -> None:
    with pytest.raises(ValueError):
        read_seed(value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", RANDOM)
def test_every_kind_of_request_leaves_a_random_seed_open(kind: str, value: JsonValue) -> None:
    written: dict[str, JsonValue] = {"kind": kind, "seed": value, **FILES.get(kind, {})}
    assert from_json(written).seed is None
    if isinstance(value, int):
        assert KINDS[kind](seed=value, **FILES.get(kind, {})).seed is None


@pytest.mark.parametrize("value", NO_SEEDS)
def test_a_request_with_what_is_no_seed_is_refused(value: JsonValue) -> None:
    with pytest.raises(RequestError):
        from_json({"kind": "text_to_image", "seed": value})


def test_a_record_with_a_seed_that_cannot_be_leaves_it_open() -> None:
    written: JsonValue = {
        "kind": "text_to_image", "seed": -1, "checkpoint": "a", "width": 8, "height": 8, "steps": 1, "guidance_scale": 1.0,
        "scheduler": "DDIM", "clip_skip": 0,
    }  # fmt: skip
    assert resolved_from_json({"request": written, "plan": {}, "threads": 1}).request.seed is None


@pytest.mark.parametrize(("typed", "random"), [("", True), ("-1", True), ("5", False), ("cat", False)])
def test_what_is_typed(typed: str, random: bool) -> None:
    assert is_random(typed) == random
