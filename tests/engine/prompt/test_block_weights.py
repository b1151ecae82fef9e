"""Block weights as the extension for AUTOMATIC1111's program reads them."""

from __future__ import annotations

import pytest

from engine.errors import RequestError
from engine.prompt.block_weights import NAMED, is_block_weights, read_block_weights


@pytest.mark.parametrize("xl", [False, True])
@pytest.mark.parametrize("name", NAMED)
def test_every_name_has_a_value_for_every_short_block(name: str, xl: bool) -> None:
    weights = read_block_weights(name.lower(), levels=3 if xl else 4)
    assert len(weights) == (12 if xl else 17) and set(weights.values()) <= {0.0, 1.0}
    assert ("OUT00" in weights) == xl and "M00" in weights and "BASE" in weights


@pytest.mark.parametrize(
    ("count", "xl", "last"), [(17, False, "OUT11"), (26, False, "OUT11"), (12, True, "OUT05"), (20, True, "OUT08")]
)
def test_a_list_names_the_blocks_of_its_family(count: int, xl: bool, last: str) -> None:
    text = ",".join(["1", *["0"] * (count - 2), " 0.5"])
    assert is_block_weights(text)
    weights = read_block_weights(text, levels=3 if xl else 4)
    assert weights["BASE"] == 1 and weights[last] == 0.5 and len(weights) == count
    with pytest.raises(RequestError, match=f"are {count} numbers; this checkpoint takes"):
        read_block_weights(text, levels=4 if xl else 3)


@pytest.mark.parametrize("text", ["", "1", "0.5", "OUT", "1,a", "1,,1", "inf,1"])
def test_nothing_else_is_one(text: str) -> None:
    assert not is_block_weights(text)
