"""Memory of a card that is given back, by the allocator's count."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.descriptions import FreedMemory
from engine.idle.duties import GIVE_BACK_SECONDS
from engine.requests import TextToImage
from engine.stopping import Stop
from tests.card.exercise import save_memory, start_engine
from tests.card.stand_in import Card, read_counts

ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=256, height=256, steps=2, seed=1)


def free(models: Path) -> tuple[list[int], FreedMemory]:
    """Bytes that torch held of the card after a job, after a while, after freeing all, and after the next job."""
    with start_engine(models) as (local, _):
        held: list[int] = []
        for _ in local.run("one", ASKED, Stop()):
            pass
        held.append(torch.cuda.memory_reserved())
        local._has_drawn = False  # the stand-in computes nothing that a self-test could compare
        local.rest(GIVE_BACK_SECONDS, Stop())
        held.append(torch.cuda.memory_reserved())
        freed = local.free_memory()
        held.append(torch.cuda.memory_reserved())
        local.make(ASKED)
        return [*held, torch.cuda.memory_reserved()], freed


def free_offloaded(models: Path) -> tuple[int, int]:
    """Page-locked bytes after a job whose denoiser waited there layer by layer, and after freeing all."""
    with start_engine(models) as (local, _), save_memory("unet_offload"):
        local.make(ASKED)
        held = read_counts()["page_locked"]
        local.free_memory()
        return held, read_counts()["page_locked"]


def test_page_locked_memory_goes_back_with_the_checkpoint(card: Card, card_models: Path) -> None:
    held, left = card.run(free_offloaded, card_models)
    assert held > left == 0


def test_unused_memory_goes_back_first_and_with_the_checkpoints_all_of_it(card: Card, card_models: Path) -> None:
    (used, idle, none, again), freed = card.run(free, card_models)
    assert used > idle > none == 0 and again > 0
    assert freed.device == idle and freed.checkpoints == ("sd1",)
