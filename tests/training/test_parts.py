"""What the padding of a caption is taught to say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.tiny import SIZES, autoencoder_run
from training.autoencoder import load_autoencoder
from training.drawing.things import THING_NAMES
from training.parts import FIRST, GRID, NUMBERS, PALETTE, ROWS, SLOTS, Looks, create_reader, find_rows, looks_loss
from training.scenes import create_scene
from training.tokenizer import MAX_LENGTH

END = 1


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> Looks:
    run: Path = tmp_path_factory.mktemp("run")
    autoencoder_run(run, 1)
    return Looks(load_autoencoder(run / "autoencoder.pt"), SIZES, "cpu")


def test_a_scene_names_a_row_for_each_of_its_first_things() -> None:
    for scene in (create_scene(seed) for seed in range(60)):
        found, kinds = find_rows(scene), {(thing.name, thing.colour) for thing in scene.things}
        assert len(found) == SLOTS
        assert sum(row > 0 for row in found) == min(SLOTS, len(kinds))
    assert len(set(ROWS.values())) == len(THING_NAMES) * len(PALETTE) and 0 not in ROWS.values()


def test_looks_are_found_when_they_are_needed(looks: Looks) -> None:
    cat, dog = ROWS["cat", None], ROWS["dog", "red"]
    looks.add([0, cat])
    before = looks.table[cat].clone()
    looks.add([0, cat, dog])
    assert looks.table[dog].any() and not looks.table[0].any()
    assert torch.equal(looks.table[cat], before)


def test_a_look_is_told_part_by_part(looks: Looks) -> None:
    row = ROWS["pizza", None]
    looks.add([row])
    parts = looks.table[row]
    cover = parts.view(GRID, GRID, NUMBERS)[..., -4:].mean(2)
    assert parts.shape == (GRID**2, NUMBERS)
    assert cover[GRID // 2, GRID // 2] == pytest.approx(2, abs=0.01), "the middle of a pizza is covered"
    assert cover[0, 0] < cover[GRID // 2, GRID // 2], "and its corners not all"


def test_padding_alone_is_asked(looks: Looks) -> None:
    torch.manual_seed(0)
    reader = create_reader(SIZES)
    states = torch.randn(2, MAX_LENGTH, SIZES.text_width)
    ids = torch.full((2, MAX_LENGTH), END)
    ids[0, : FIRST + 5], ids[1, :3] = 7, 7
    wanted = torch.randn(2, SLOTS, GRID**2, NUMBERS)
    before = looks_loss(reader, states, ids, END, wanted)
    wanted[0, :, :6] += 100  # five words, and the mark of the caption's end
    assert looks_loss(reader, states, ids, END, wanted) == before
    wanted[0, :, 6] += 100
    assert looks_loss(reader, states, ids, END, wanted) > before
