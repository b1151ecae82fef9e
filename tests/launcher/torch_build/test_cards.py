"""Graphics cards are found in what nvidia-smi, ROCm's tools, the kernel and Windows say, as recorded on real computers."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.torch_build import cards
from launcher.torch_build.cards import Card, find_cards, name_architecture
from tests.launcher.conftest import program

FAILED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is "
    "installed and running."
)
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95"
OLD_QUERY = 'Field "compute_cap" is not a valid field to query.'

ROCMINFO = """ROCk module is loaded
=====================
HSA Agents
==========
*******
Agent 1
*******
  Name:                    AMD Ryzen 7 5800X 8-Core Processor
  Uuid:                    CPU-XX
  Device Type:             CPU
*******
Agent 2
*******
  Name:                    gfx1031
  Uuid:                    GPU-XX
  Marketing Name:          AMD Radeon RX 6700 XT
  Device Type:             GPU
  ISA Info:
    ISA 1
      Name:                    amdgcn-amd-amdhsa--gfx1031
"""

KFD_CPU = "cpu_cores_count 16\nsimd_count 0\ngfx_target_version 0\nvendor_id 0"
KFD_GPU = "cpu_cores_count 0\nsimd_count 80\ngfx_target_version {}\nvendor_id 4098"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, but for the shell's programs, so that no tool of this computer answers."""
    place = tmp_path / "tools"
    place.mkdir()
    for name in ("cat", "sh"):
        (place / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.setattr(cards, "NVIDIA_SMI", ("nvidia-smi",))
    monkeypatch.setattr(cards, "AMD_TOOLS", tuple(row for row in cards.AMD_TOOLS if "/" not in row[0]))
    return place


def says(tools: Path, name: str, text: str, status: int = 0) -> None:
    """A tool that prints ``text``."""
    (tools / f"{name}.txt").write_text(text, "utf-8")
    program(tools / name, f'#!/bin/sh\ncat "{tools / name}.txt"\nexit {status}\n')


def plug(root: Path, number: int, vendor: str, device: str, kind: str = "0x030000", vram: int | None = None) -> None:
    """A card in the PCI slots below ``root``."""
    place = root / f"sys/bus/pci/devices/0000:0{number}:00.0"
    place.mkdir(parents=True)
    for name, text in {"class": kind, "vendor": f"0x{vendor}", "device": f"0x{device}"}.items():
        (place / name).write_text(f"{text}\n")
    if vram is not None:
        (place / "mem_info_vram_total").write_text(f"{vram}\n")


def kernel(root: Path, *versions: int) -> None:
    """What the kernel's driver for AMD cards lists below ``root``."""
    for number, text in enumerate([KFD_CPU, *(KFD_GPU.format(version) for version in versions)]):
        place = root / f"sys/class/kfd/kfd/topology/nodes/{number}"
        place.mkdir(parents=True)
        (place / "properties").write_text(text)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("NVIDIA GeForce RTX 4090, 580.65.06, 8.9", [Card("nvidia", "NVIDIA GeForce RTX 4090", "sm_89", "580.65.06")]),
        ("NVIDIA GeForce GTX 1080 Ti, 550.144.03, 6.1", [Card("nvidia", "NVIDIA GeForce GTX 1080 Ti", "sm_61", "550.144.03")]),
        ("NVIDIA GeForce RTX 5090, 581.15, 12.0", [Card("nvidia", "NVIDIA GeForce RTX 5090", "sm_120", "581.15")]),
        (
            "Tesla V100-SXM2-16GB, 535.183.01, 7.0\nNVIDIA A100-SXM4-40GB, 535.183.01, 8.0",
            [
                Card("nvidia", "Tesla V100-SXM2-16GB", "sm_70", "535.183.01"),
                Card("nvidia", "NVIDIA A100-SXM4-40GB", "sm_80", "535.183.01"),
            ],
        ),
        ("NVIDIA GeForce GT 710, 470.256.02, [N/A]", [Card("nvidia", "NVIDIA GeForce GT 710", "", "470.256.02")]),
        ("No devices were found", []),
        ("", []),
    ],
)
def test_nvidia_smi(tools: Path, tmp_path: Path, answer: str, found: list[Card]) -> None:
    says(tools, "nvidia-smi", answer)
    assert find_cards("Linux", tmp_path) == found


@pytest.mark.parametrize(("answer", "status"), [(FAILED, 9), (MISMATCH, 18)])
def test_a_driver_that_does_not_work_is_known_by_its_message(tools: Path, tmp_path: Path, answer: str, status: int) -> None:
    says(tools, "nvidia-smi", answer, status)
    assert find_cards("Windows", tmp_path) == [Card("nvidia", trouble=answer.splitlines()[0])]
    plug(tmp_path, 0, "10de", "2504")
    assert find_cards("Linux", tmp_path) == [Card("nvidia", trouble=answer.splitlines()[0])]


def test_a_tool_that_was_left_behind_without_a_card_means_nothing(tools: Path, tmp_path: Path) -> None:
    says(tools, "nvidia-smi", FAILED, 9)
    plug(tmp_path, 0, "1234", "1111")
    assert find_cards("Linux", tmp_path) == []
    plug(tmp_path, 1, "8086", "9a49")
    assert find_cards("Linux", tmp_path) == [Card("intel", "", "0x9a49")]


def test_linux_within_windows_does_not_see_the_slots(tools: Path, tmp_path: Path) -> None:
    says(tools, "nvidia-smi", "Failed to initialize NVML: GPU access blocked by the operating system", 17)
    (tmp_path / "sys/bus/pci/devices").mkdir(parents=True)
    assert find_cards("Linux", tmp_path) == []
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()
    assert find_cards("Linux", tmp_path)[0].trouble.endswith("blocked by the operating system")


def test_drivers_too_old_to_know_the_capability_are_asked_without(tools: Path, tmp_path: Path) -> None:
    (tools / "a").write_text("Quadro K2000, 390.157\n")
    program(
        tools / "nvidia-smi", f'#!/bin/sh\ncase "$1" in *compute_cap*) echo \'{OLD_QUERY}\'; exit 2;; *) cat "{tools}/a";; esac\n'
    )
    assert find_cards("Linux", tmp_path) == [Card("nvidia", "Quadro K2000", "", "390.157")]


def test_a_card_without_any_driver_is_seen_in_its_slot(tools: Path, tmp_path: Path) -> None:
    plug(tmp_path, 0, "10de", "1b80")
    plug(tmp_path, 1, "10de", "10f0", kind="0x040300")  # its sound
    assert find_cards("Linux", tmp_path) == [Card("nvidia")]


@pytest.mark.parametrize(("tool", "answer"), [("rocm_agent_enumerator", "gfx000\ngfx1031\n"), ("rocminfo", ROCMINFO)])
def test_either_of_rocms_tools_is_enough(tools: Path, tmp_path: Path, tool: str, answer: str) -> None:
    plug(tmp_path, 0, "1002", "73df", vram=12 * 2**30)
    says(tools, tool, answer)
    assert find_cards("Linux", tmp_path) == [Card("amd", architecture="gfx1031")]


def test_without_rocms_tools_the_kernel_is_asked(tools: Path, tmp_path: Path) -> None:
    plug(tmp_path, 0, "1002", "744c", vram=24 * 2**30)
    kernel(tmp_path, 110000, 100306)
    assert [card.architecture for card in find_cards("Linux", tmp_path)] == ["gfx1100", "gfx1036"]


def test_a_tool_of_rocm_that_fails_gives_way_to_the_kernel(tools: Path, tmp_path: Path) -> None:
    plug(tmp_path, 0, "1002", "744c", vram=24 * 2**30)
    says(tools, "rocminfo", "ROCk module is NOT loaded, possibly no GPU devices", 1)
    kernel(tmp_path, 110000)
    assert find_cards("Linux", tmp_path) == [Card("amd", architecture="gfx1100")]


def test_an_amd_card_whose_driver_does_not_compute_is_seen_in_its_slot(tools: Path, tmp_path: Path) -> None:
    plug(tmp_path, 0, "1002", "67df", vram=8 * 2**30)
    plug(tmp_path, 1, "1002", "164e", vram=2**29)  # a part of the processor
    assert find_cards("Linux", tmp_path) == [Card("amd")]


def test_a_processors_graphics_that_compute_are_a_card(tools: Path, tmp_path: Path) -> None:
    plug(tmp_path, 0, "1002", "15bf", vram=2**29)
    assert find_cards("Linux", tmp_path) == []
    kernel(tmp_path, 110003)
    assert find_cards("Linux", tmp_path) == [Card("amd", architecture="gfx1103")]


@pytest.mark.parametrize(
    ("version", "name"),
    [(90000, "gfx900"), (90010, "gfx90a"), (90402, "gfx942"), (100301, "gfx1031"), (110003, "gfx1103"), (120001, "gfx1201")],
)
def test_the_kernels_numbers_are_spelt_as_rocm_does(version: int, name: str) -> None:
    assert name_architecture(version) == name


def test_windows_is_asked_for_its_adapters(tools: Path, tmp_path: Path) -> None:
    says(
        tools,
        "powershell",
        "PCI\\VEN_1002&DEV_744C&SUBSYS_471E1DA2&REV_C8\\6&2B8E0B4&0&00000019|AMD Radeon RX 7900 XTX\n"
        "PCI\\VEN_8086&DEV_56A0&SUBSYS_10208086&REV_08\\6&1B0&0&0008|Intel(R) Arc(TM) A770 Graphics\n"
        "ROOT\\BASICDISPLAY\\0000|Microsoft Basic Display Adapter\n"
        "SWD\\REMOTEDISPLAYENUM\\RDPIDD|Microsoft Remote Display Adapter\n",
    )
    assert find_cards("Windows", tmp_path) == [
        Card("amd", "AMD Radeon RX 7900 XTX"),
        Card("intel", "Intel(R) Arc(TM) A770 Graphics", "0x56a0"),
    ]


def test_a_computer_without_any_card(tools: Path, tmp_path: Path) -> None:
    assert find_cards("Linux", tmp_path) == find_cards("Windows", tmp_path) == find_cards("Darwin", tmp_path) == []
