"""“Keep my computer usable”: low priority, and one core less."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import torch

from engine.preferences import Preferences, write
from engine.records import metadata
from engine.requests import TextToImage
from tests.engine.generate.conftest import Engine

ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=32, height=32, steps=1, seed=1)


@pytest.mark.parametrize(("cores", "threads"), [(4, 3), (1, 1)])
def test_a_core_is_left_free_until_the_user_wants_it_back(
    cores: int, threads: int, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowered: list[bool] = []
    monkeypatch.setattr("engine.local.lower_priority", lambda: lowered.append(True))  # a process cannot take it back
    state = engine.local._state
    cpu = dataclasses.replace(state.hardware.cpu, physical_cores=cores, usable_cores=cores)
    monkeypatch.setattr(
        engine.local, "_state", dataclasses.replace(state, hardware=dataclasses.replace(state.hardware, cpu=cpu), threads=cores)
    )
    try:
        write(engine.settings.data, Preferences(keep_usable=True))
        record = metadata.read(engine.local.make(ASKED)[0].path)
        assert record is not None and record.resolved.threads == torch.get_num_threads() == threads and lowered == [True]
        write(engine.settings.data, Preferences())
        engine.local.make(ASKED)
        assert torch.get_num_threads() == cores and lowered == [True]
    finally:
        write(engine.settings.data, Preferences())
        torch.set_num_threads(1)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has one priority for all its threads")
def test_every_thread_gives_way() -> None:
    program = (
        "import os, threading, psutil\n"
        "from engine.plan.hardware.system import LOW_PRIORITY, lower_priority\n"
        "ending = threading.Event()\n"
        "threading.Thread(target=ending.wait).start()\n"
        "lower_priority()\n"
        "ids = [thread.id for thread in psutil.Process().threads()]\n"
        "assert len(ids) > 1 and min(os.getpriority(os.PRIO_PROCESS, each) for each in ids) >= LOW_PRIORITY\n"
        "ending.set()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
