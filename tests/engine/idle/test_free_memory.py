"""Memory is given back when it was asked for and after a while, by its count, and the next request works."""

from __future__ import annotations

import gc
import platform
import weakref

import pytest
import torch

from engine.descriptions import FreedMemory
from engine.idle.duties import GIVE_BACK_SECONDS
from engine.idle.free_memory import give_back_unused
from engine.local import Local
from engine.preferences import Preferences, write
from engine.requests import TextToImage
from engine.stopping import Stop
from tests.engine.idle.conftest import StartEngine

ASKED = TextToImage(prompt="a cat", checkpoint="starter", width=32, height=32, steps=2, seed=1)


def find_unets(local: Local) -> list[weakref.ref[torch.nn.Module]]:
    return [weakref.ref(held.loaded.modules["unet"]) for held in local._state.cache._held.values()]


def test_freeing_memory_unloads_every_checkpoint_says_which_and_the_next_request_draws_the_same(
    start_engine: StartEngine,
) -> None:
    local = start_engine("float32")
    before = local.make(ASKED)[0].path.read_bytes()
    (unet,) = find_unets(local)
    assert local.free_memory().checkpoints == ("starter",)
    gc.collect()
    assert unet() is None and local._state.cache.held_bytes == 0
    assert local.free_memory().checkpoints == ()
    assert len(local.make(ASKED)[0].path.read_bytes()) == len(before)
    assert local._state.cache.names == ("starter",)


def test_checkpoints_stay_when_unused_memory_is_given_back_and_go_after_the_time_of_the_setting(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = start_engine("float32")
    write(local._state.settings.data, Preferences(unload_minutes=20))
    monkeypatch.setattr("engine.idle.self_test.SelfTest.is_due", False)
    local.make(ASKED)
    held = local._state.cache.held_bytes
    local.rest(GIVE_BACK_SECONDS, Stop())
    assert local._state.cache.held_bytes == held > 0
    local.rest(20 * 60 - 1, Stop())
    assert local._state.cache.held_bytes == held
    assert local.rest(20 * 60, Stop()) is None
    assert local._state.cache.held_bytes == 0
    local.warm("starter", Stop())
    local.rest(20 * 60, Stop())
    assert local._state.cache.held_bytes == 0, "what was loaded in advance goes too"
    assert local.make(ASKED)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to give its heap back")
def test_what_c_keeps_of_freed_memory_goes_back_to_the_system(start_engine: StartEngine) -> None:
    local = start_engine("float32")
    small = [torch.ones(16_000) for _ in range(3200)]  # below the size for which the heap asks the system each time
    last = torch.ones(16_000)  # above them on the heap
    del small
    assert give_back_unused(local._state).ram > 100 * 2**20
    assert last.sum() == 16_000


def test_amounts_add_up_over_devices() -> None:
    one, other = FreedMemory(device=1, ram=2, checkpoints=("a", "b")), FreedMemory(device=3, ram=4, checkpoints=("b", "c"))
    assert one + other == FreedMemory(device=4, ram=6, checkpoints=("a", "b", "c"))
