"""Limits of containers, cores and cards, read from trees that look like /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from engine.plan.hardware import system
from engine.plan.hardware.facts import Cpu, Hardware, count_threads

GIB = 2**30


def tree(root: Path, files: dict[str, str]) -> Path:
    """A tree of files under ``root``."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2 = {
    "proc/self/cgroup": "0::/easel.scope\n",
    "sys/fs/cgroup/easel.scope/memory.max": "2147483648\n",
    "sys/fs/cgroup/easel.scope/memory.current": "1073741824\n",
    "sys/fs/cgroup/easel.scope/memory.stat": "anon 536870912\ninactive_file 536870912\n",
    "sys/fs/cgroup/easel.scope/cpu.max": "100000 100000\n",
}
V1 = {
    "proc/self/cgroup": "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "2147483648\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "536870912\n",
    "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 0\n",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
}


@pytest.mark.parametrize("files", [V2, V1], ids=["cgroup v2", "cgroup v1 inside a container"])
def test_two_gigabytes_and_one_core_by_the_container(files: dict[str, str], tmp_path: Path) -> None:
    root = tree(tmp_path, files)
    total, available = system.read_memory(root)
    assert total == 2 * GIB
    assert available == 1.5 * GIB
    assert system.count_usable_cores(8, root) == 1


def test_limits_that_are_none(tmp_path: Path) -> None:
    unlimited = {
        "proc/self/cgroup": "4:memory:/\n0::/a\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "sys/fs/cgroup/a/memory.max": "max",
        "sys/fs/cgroup/a/cpu.max": "max 100000",
    }
    total, available = system.read_memory(tree(tmp_path, unlimited))
    assert total == psutil.virtual_memory().total
    assert available and available <= total
    assert system.count_usable_cores(1, tmp_path) == 1


def test_a_parent_group_limits_too(tmp_path: Path) -> None:
    nested = {
        "proc/self/cgroup": "0::/outer/inner\n",
        "sys/fs/cgroup/outer/inner/memory.max": "max",
        "sys/fs/cgroup/outer/memory.max": str(3 * GIB),
        "sys/fs/cgroup/outer/memory.current": str(4 * GIB),
    }
    assert system.read_memory(tree(tmp_path, nested)) == (3 * GIB, 0)


def test_a_system_that_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse() -> None:
        raise OSError("no such file: /proc/meminfo")

    monkeypatch.setattr(psutil, "virtual_memory", refuse)
    assert system.read_memory(tmp_path) == (None, None)


def test_half_a_core_is_one_core(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "50000 100000"})
    assert system.count_usable_cores(4, root) == 1


def test_two_threads_of_one_core_count_once(tmp_path: Path) -> None:
    siblings = {f"sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list": "0-255\n" for i in range(256)}
    assert system.count_usable_cores(64, tree(tmp_path, siblings)) == 1


def test_cards_that_are_plugged_in(tmp_path: Path) -> None:
    pci = "sys/bus/pci/devices"
    root = tree(
        tmp_path,
        {
            f"{pci}/0000:01:00.0/class": "0x030000\n",
            f"{pci}/0000:01:00.0/vendor": "0x10de\n",
            f"{pci}/0000:02:00.0/class": "0x030200\n",
            f"{pci}/0000:02:00.0/vendor": "0x1002\n",
            f"{pci}/0000:03:00.0/class": "0x020000\n",
            f"{pci}/0000:03:00.0/vendor": "0x8086\n",
            f"{pci}/0000:05:00.0/class": "0x030000\n",
            f"{pci}/0000:05:00.0/vendor": "0x1002\n",
            f"{pci}/0000:05:00.0/mem_info_vram_total": "17163091968\n",
            f"{pci}/0000:04:00.0/class": "0x030000\n",
            f"{pci}/0000:04:00.0/vendor": "0x1af4\n",
        },
    )
    assert system.find_cards(root) >= {"nvidia", "amd"}


def test_graphics_inside_an_amd_processor_are_no_card(tmp_path: Path) -> None:
    inside = "sys/bus/pci/devices/0000:0b:00.0"
    files = {"class": "0x030000", "vendor": "0x1002", "mem_info_vram_total": "536870912"}
    root = tree(tmp_path, {f"{inside}/{name}": text for name, text in files.items()})
    assert "amd" not in system.find_cards(root)


def test_the_name_of_the_processor(tmp_path: Path) -> None:
    assert system.read_cpu_name(tree(tmp_path, {"proc/cpuinfo": "processor\t: 0\nmodel name\t: A Fine CPU\n"})) == "A Fine CPU"


@pytest.mark.parametrize(("physical", "usable", "expected"), [(8, 4, 4), (4, 8, 4), (1, 1, 1), (0, 0, 1)])
def test_threads_are_physical_cores_that_may_be_used(physical: int, usable: int, expected: int) -> None:
    assert count_threads(Hardware(cpu=Cpu(physical_cores=physical, usable_cores=usable))) == expected


def test_this_machine_has_cores_and_memory() -> None:
    seen = system.read_machine(frozenset({"avx2"}))
    assert seen.ram_total and seen.cpu.usable_cores >= 1
    assert seen.cpu.features == {"avx2"} and seen.system
