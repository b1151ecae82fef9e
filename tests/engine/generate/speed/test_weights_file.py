"""Weights in a mapped file: the same numbers for torch and for OpenVINO, out of RAM, and nothing left behind."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from engine.generate.speed.weights_file import WeightsFile, move_into_file

SIDE = 2048


class Usage(NamedTuple):
    """As of :func:`shutil.disk_usage`."""

    total: int
    used: int
    free: int


def create_network(dtype: torch.dtype = torch.float32) -> torch.nn.Sequential:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(4, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 1)
    )
    return network.eval().to(dtype).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_torch_computes_the_same_bits_and_openvino_reads_the_same_numbers(dtype: torch.dtype, tmp_path: Path) -> None:
    network, given = create_network(dtype), torch.randn(1, 4, 16, 16, dtype=dtype).to(memory_format=torch.channels_last)
    before = {name: (tensor.clone(), tensor.stride()) for name, tensor in network.state_dict().items()}
    with torch.inference_mode():
        expected = network(given)
        file = move_into_file(network, tmp_path)
    assert move_into_file(network, tmp_path) is file, "once"
    with torch.no_grad():  # as LoRAs are merged
        assert torch.equal(network(given), expected)
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, before[name][0]) and tensor.stride() == before[name][1]
        weight = network.get_parameter("0.weight")
        weight.mul_(2)
    file.leave_memory()
    for tensor in network.parameters():
        read = file.read(tensor.detach())
        assert read.dtype == torch.float32 and read.is_contiguous() and torch.equal(read, tensor.float())
    assert torch.equal(weight, before["0.weight"][0] * 2)


@pytest.mark.skipif(sys.platform != "linux", reason="there the system takes memory back by itself")
def test_the_weights_leave_the_memory_and_the_file_leaves_nothing(tmp_path: Path) -> None:
    network = torch.nn.Sequential(*(torch.nn.Linear(SIDE, SIDE, bias=False) for _ in range(8)))
    size, before = 8 * 4 * SIDE**2, read_memory()
    file = WeightsFile(network, tmp_path)
    file.leave_memory()
    assert before - read_memory() > 0.9 * size
    assert not list(tmp_path.iterdir()), "it has no name"
    with torch.inference_mode():
        assert network(torch.ones(1, SIDE)).isfinite().all()


def read_memory() -> int:
    """Bytes of this process's memory, that of files included."""
    (line,) = (line for line in Path("/proc/self/status").read_text("utf-8").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def test_on_a_full_disk_the_weights_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = create_network()
    pointers = [tensor.data_ptr() for tensor in network.parameters()]

    def fill(_path: Any) -> Usage:
        return Usage(10**12, 10**12, 10**6)

    monkeypatch.setattr(shutil, "disk_usage", fill)
    with pytest.raises(OSError, match="No space"):
        WeightsFile(network, tmp_path)
    assert [tensor.data_ptr() for tensor in network.parameters()] == pointers
