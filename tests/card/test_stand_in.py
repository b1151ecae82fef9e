"""The stand-in itself: what it refuses is what a card refuses, and what it counts is right."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.plan.hardware.probe import limit_memory, probe
from tests.card.stand_in import Card, read_counts, reset


def see_card() -> tuple[bool, str, tuple[int, int], int, int]:
    free, total = torch.cuda.mem_get_info()
    return torch.cuda.is_available(), torch.cuda.get_device_name(0), torch.cuda.get_device_capability(0), free, total


def attend() -> tuple[list[int], int]:
    """The shape of an attention, and the memory that it took beside its result."""
    q = torch.zeros(2, 8, 4096, 40, device="cuda", dtype=torch.half)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = torch.nn.functional.scaled_dot_product_attention(q, q, q)
    return list(result.shape), torch.cuda.max_memory_allocated() - before - result.nbytes


def break_things() -> list[str]:
    said: list[str] = []
    for broken in (
        lambda: torch.empty(10**10, device="cuda"),
        lambda: torch.ones(4, device="cuda") + torch.ones(4),
        lambda: torch.nn.Conv2d(3, 4, 3).cuda()(torch.ones(1, 3, 8, 8, device="cuda", dtype=torch.half)),
    ):
        try:
            broken()
        except RuntimeError as error:
            said.append(f"{type(error).__name__}: {error}")
    return said


def count_copies() -> dict[str, int]:
    ones = torch.ones(1000)
    reset()
    on_card = ones.to("cuda")
    on_card.cpu()
    on_card.to("cpu", non_blocking=True)
    (on_card @ on_card).item()
    return read_counts()


def test_torch_sees_the_card_and_what_others_hold_of_it(card: Card) -> None:
    available, name, capability, free, total = card.run(see_card)
    assert (available, name, capability) == (True, "NVIDIA GeForce RTX 3060", (8, 6))
    assert total == 8 << 30 and total - free >= 600 << 20


def test_attention_is_of_the_kind_that_saves_memory(card: Card) -> None:
    shape, beside = card.run(attend)
    assert shape == [2, 8, 4096, 40] and beside < 16 << 20


def test_it_refuses_what_a_card_refuses(card: Card) -> None:
    full, elsewhere, mixed = card.run(break_things)
    assert full.startswith("OutOfMemoryError: CUDA out of memory") and "8.00 GiB" in full
    assert "same device" in elsewhere and "should be the same" in mixed


def exceed(megabytes: int) -> str:
    """What is said to more memory than is free, on a card whose driver would go on in RAM."""
    limit_memory(probe().device)
    try:
        torch.empty(megabytes << 20, dtype=torch.uint8, device="cuda")
    except torch.OutOfMemoryError as error:
        return str(error)
    return ""


def test_memory_is_refused_where_the_driver_would_go_on_in_ram(card_libraries: Path) -> None:
    card = Card(card_libraries, spill=1)
    try:
        assert card.run(exceed, 2000) == ""
        assert "out of memory" in card.run(exceed, 7800)
    finally:
        card.close()


def test_copies_and_waits_are_counted(card: Card) -> None:
    counts = card.run(count_copies)
    assert (counts["copies_to_card"], counts["bytes_to_card"]) == (1, 4000)
    assert (counts["copies_to_host"], counts["bytes_to_host"]) == (3, 8004)
    assert counts["waiting_copies"] == 1 and counts["synchronisations"] == 3
