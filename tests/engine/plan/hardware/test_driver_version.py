"""A device's driver by what systems tell, from prepared files and a prepared nvidia-smi."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from engine.plan.hardware.driver_version import read_driver_version
from engine.plan.hardware.facts import Device


@pytest.mark.parametrize(("kind", "module"), [("cuda", "nvidia"), ("rocm", "amdgpu"), ("xpu", "xe")])
def test_the_kernel_tells_the_version_of_its_module(kind: str, module: str, tmp_path: Path) -> None:
    folder = tmp_path / "sys" / "module" / module
    folder.mkdir(parents=True)
    (folder / "version").write_text("580.95.05\n")
    assert read_driver_version(Device(kind=kind), tmp_path) == "580.95.05"


@pytest.mark.skipif(sys.platform == "win32", reason="a script cannot stand in for nvidia-smi there")
@pytest.mark.parametrize(("answer", "version"), [
    ("echo 581.02; echo 581.02", "581.02"), ("echo broken; exit 9", platform.release()), ("true", platform.release()),
])  # fmt: skip
def test_else_nvidia_smi_is_asked(answer: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert read_driver_version(Device(kind="cuda"), tmp_path) == version


def test_where_nothing_is_told_the_system_counts_and_a_processor_has_no_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {read_driver_version(Device(kind=kind), tmp_path) for kind in ("cuda", "rocm", "xpu")} == {platform.release()}
    assert read_driver_version(Device(), tmp_path) == ""
