"""Where cross-attention is told to look."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tests.training.tiny import SIZES
from training.grounding import NOWHERE, AttentionRecorder, map_parts
from training.layouts import PlacedThing
from training.networks import create_unet
from training.parts import FIRST, GRID, SLOTS
from training.scenes import Scene, create_scene
from training.tokenizer import MAX_LENGTH


def scene_of(*things: PlacedThing) -> Scene:
    return replace(create_scene(0), things=things, named=tuple(range(len(things))), relation=None)


def test_a_cell_looks_at_the_part_that_covers_it() -> None:
    thing = replace(PlacedThing("pizza", 0.5, 0.5, 0.5), size=0.5)
    first, second = map_parts(scene_of(thing), 40)
    rows, columns = np.nonzero(first)
    assert (second == NOWHERE).all()
    assert abs(len(set(columns.tolist())) - 40 * thing.width) <= 1
    assert abs(len(set(rows.tolist())) - 40 * thing.height) <= 1
    tokens = first[first != NOWHERE]
    assert tokens.max() == MAX_LENGTH - 1, "the last part is at the foot, to the right"
    assert set(((tokens - FIRST) % GRID).tolist()) == set(range(GRID))
    assert (np.diff(first[rows.max(), columns.min() : columns.max() + 1].astype(int)) >= 0).all()


def test_what_stands_in_front_covers_and_each_thing_has_its_slot() -> None:
    back, front = PlacedThing("house", 0.4, 0.5, 0.6), PlacedThing("cat", 0.6, 0.6, 0.4)
    maps = map_parts(scene_of(back, front), 16)
    assert maps.shape == (SLOTS, 16, 16)
    assert (maps != NOWHERE).any((1, 2)).all()
    assert not ((maps[0] != NOWHERE) & (maps[1] != NOWHERE)).any()
    alike = map_parts(scene_of(PlacedThing("cat", 0.25, 0.5, 0.4), PlacedThing("cat", 0.75, 0.5, 0.4)), 16)
    assert (alike[0, :, :8] != NOWHERE).any() and (alike[0, :, 8:] != NOWHERE).any(), "two of a kind have the same parts"
    assert (alike[1] == NOWHERE).all()


def test_attention_learns_where_to_look() -> None:
    torch.manual_seed(0)
    unet = create_unet(replace(SIZES, unet=(64, 64)))
    watch, side = AttentionRecorder(unet), SIZES.latent_side
    optimizer = torch.optim.Adam(unet.parameters(), lr=2e-3)
    noisy, text = torch.randn(2, 16, side, side), torch.randn(2, MAX_LENGTH, SIZES.text_width)
    maps = {side: torch.randint(FIRST, MAX_LENGTH, (2, SLOTS, 1, 1)).expand(-1, -1, side, side)}
    losses = []
    for _ in range(30):
        unet(noisy, torch.tensor([10, 500]), text)
        optimizer.zero_grad()
        loss = watch.loss(maps)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < 0.3 * losses[0]
    assert not float(watch.loss(maps)), "what was seen is told once"
