"""How a worker's threads wait, and what becomes of memory that it frees."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from engine.jobs.worker_environment import (
    DEVICE_MEMORY,
    DEVICE_MEMORY_VARIABLES,
    THREAD_WAITING,
    set_device_memory,
    set_thread_waiting,
)

FREED = """
import ctypes, psutil
from engine.jobs.worker_environment import keep_freed_memory
process = psutil.Process()
if {keep}:
    assert keep_freed_memory()
before = process.memory_info().rss
for size in (300 << 20, 40 << 20):
    block = bytearray(size)
    del block
print((process.memory_info().rss - before) >> 20)
ctypes.CDLL(None).malloc_trim(0)
print((process.memory_info().rss - before) >> 20)
"""


def test_threads_spin_for_a_moment_before_they_sleep_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_WAITING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    set_thread_waiting()
    assert {name: os.environ[name] for name in THREAD_WAITING} == {**THREAD_WAITING, "OMP_WAIT_POLICY": "ACTIVE"}


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
def test_a_cards_memory_is_given_out_as_its_system_can(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEVICE_MEMORY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", system)
    set_device_memory()
    assert {os.environ.pop(name, "") for name in DEVICE_MEMORY_VARIABLES} == {DEVICE_MEMORY.get(system, "")}


@pytest.mark.parametrize("name", DEVICE_MEMORY_VARIABLES)
def test_what_the_user_says_of_a_cards_memory_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in DEVICE_MEMORY_VARIABLES:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "max_split_size_mb:64")
    set_device_memory()
    assert [os.environ.get(each) for each in DEVICE_MEMORY_VARIABLES if each != name] == [None]
    assert os.environ[name] == "max_split_size_mb:64"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep")
@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_is_kept_for_the_next_tensor_and_given_back_when_asked(keep: bool) -> None:
    said = subprocess.run([sys.executable, "-c", FREED.format(keep=keep)], capture_output=True, text=True, check=True)
    kept, trimmed = (int(line) for line in said.stdout.split())
    assert (kept > 250) == keep and trimmed < 50
