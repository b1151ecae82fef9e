"""The table of builds, card by card."""

from __future__ import annotations

import re

import pytest
import torch

from launcher.torch_build import choose
from launcher.torch_build.cards import Card
from launcher.torch_build.choose import PRE_TURING, REPAIR, ROWS, Build, choose_build, has_code
from tests.launcher.conftest import HOUSE


def nvidia(architecture: str, driver: str = "580.65.06", trouble: str = "") -> Card:
    return Card("nvidia", "A card", architecture, driver, trouble)


RTX, GTX, OLD_RTX = nvidia("sm_86"), nvidia("sm_61"), nvidia("sm_86", "550.144.03")
ARC, IRIS = Card("intel", "", "0x56a0"), Card("intel", "", "0x9a49")
RADEON, SISTER, RAPHAEL = (Card("amd", "", name) for name in ("gfx1100", "gfx1031", "gfx1036"))


@pytest.mark.parametrize(
    ("cards", "system", "backend"),
    [
        *[([nvidia(f"sm_{number}")], "Linux", "cu132") for number in (75, 80, 86, 87, 89, 90, 100, 103, 120, 121)],
        *[([nvidia(f"sm_{number}")], "Windows", "cu126") for number in (50, 52, 53, 60, 61, 62, 70, 72)],
        *[([Card("amd", "", f"gfx{name}")], "Linux", "rocm7.2") for name in ("900", "906", "90a", "942", "1030", "1031", "1035")],
        *[([Card("amd", "", f"gfx{name}")], "Linux", "rocm7.2") for name in ("1100", "1103", "1151", "1152", "1200", "1201")],
        *[([Card("intel", "", f"0x{name}")], system, "xpu") for name in ("56a0", "e20b", "7d55", "64a0", "b080", "0bd5")
          for system in ("Linux", "Windows")],
        *[([Card("intel", "", f"0x{name}")], "Linux", "cpu") for name in ("9a49", "46a6", "3e92", "1912", "0412", "a780")],
        ([], "Linux", "cpu"),
        ([], "Darwin", "cpu"),
        ([RTX], "Darwin", "cpu"),
        ([RADEON], "Windows", "cpu"),
        ([RAPHAEL], "Linux", "cpu"),
        ([GTX, RTX], "Linux", "cu132"),
        ([OLD_RTX, nvidia("sm_61", "550.144.03")], "Linux", "cu126"),
        ([RAPHAEL, RTX, IRIS], "Linux", "cu132"),
        ([RAPHAEL, RADEON], "Linux", "rocm7.2"),
        ([SISTER, RADEON], "Linux", "rocm7.2"),
        ([IRIS, ARC], "Windows", "xpu"),
        ([RADEON, ARC], "Windows", "xpu"),
        ([OLD_RTX, ARC], "Windows", "cpu"),
    ],
)  # fmt: skip
def test_each_card_gets_the_build_that_has_its_code(cards: list[Card], system: str, backend: str) -> None:
    assert choose_build(cards, system).backend == backend


@pytest.mark.parametrize(
    ("card", "system", "words"),
    [
        (OLD_RTX, "Linux", f"its driver (550.144.03) is too old. Update the driver to 580 or newer, {REPAIR}"),
        (nvidia("sm_120", "576.02"), "Windows", f"its driver (576.02) is too old. Update the driver to 580 or newer, {REPAIR}"),
        (nvidia("sm_61", "470.256.02"), "Linux", f"Update the driver to 580, the last one for cards of this age, {REPAIR}"),
        (nvidia("", "390.157"), "Linux", "Update the driver to 580 or newer (580 itself for cards before"),
        (nvidia("sm_35", "470.256.02"), "Linux", "has code for a card so old"),
        (Card("nvidia"), "Linux", "NVIDIA's driver is not installed. Install driver 580 or newer"),
        (Card("nvidia", trouble="NVIDIA-SMI has failed."), "Linux", "does not work (NVIDIA-SMI has failed). Restart"),
        (Card("nvidia", trouble="Driver/library version mismatch"), "Linux", f"Restart the computer, {REPAIR}"),
        (RADEON, "Windows", "for Linux only"),
        (Card("amd", "", "gfx803"), "Linux", "no code for its chip"),
        (Card("amd"), "Linux", f"/dev/kfd) is not there. Install AMD's driver or a newer kernel, {REPAIR}"),
        (IRIS, "Linux", ""),
        (RAPHAEL, "Linux", ""),
    ],
)  # fmt: skip
def test_a_card_that_gets_none_has_a_reason_and_what_to_do(card: Card, system: str, words: str) -> None:
    build = choose_build([card], system)
    assert (build.backend, build.variant) == ("cpu", "")
    assert words in build.reason and bool(words) == bool(build.reason)


def test_a_driver_is_new_enough_from_its_least_version_on() -> None:
    assert choose_build([nvidia("sm_86", "580")], "Linux").backend == "cu132"
    assert choose_build([nvidia("sm_61", "528.33")], "Windows").backend == "cu126"
    assert choose_build([nvidia("sm_61", "528.24")], "Windows").backend == "cpu"


def test_amd_cards_without_code_of_their_own_know_their_sister_chip() -> None:
    versions = {name: choose_build([Card("amd", "", name)], "Linux").gfx_version for name in ("gfx1031", "gfx1103", "gfx1100")}
    assert versions == {"gfx1031": "10.3.0", "gfx1103": "11.0.2", "gfx1100": ""}


@pytest.mark.parametrize(
    ("architecture", "compiled", "has"),
    [
        ("sm_86", "sm_80 sm_90", True),
        ("sm_89", "sm_86", True),
        ("sm_61", "sm_50 sm_60 sm_70", True),
        ("sm_121", "sm_100 sm_120", True),
        ("sm_61", "sm_75 sm_80", False),
        ("sm_70", "sm_75 sm_80", False),
        ("sm_80", "sm_86", False),
        ("sm_130", "sm_120", False),
        ("sm_86", "", True),
    ],
)
def test_code_runs_on_chips_of_the_same_major_version(architecture: str, compiled: str, has: bool) -> None:
    assert has_code(Build("cu132", nvidia(architecture)), compiled.split()) is has


def test_every_row_can_be_reached_and_every_backend_has_a_variant() -> None:
    assert {row.maker for row in ROWS} == set(choose.MAKERS) == set(choose.NAMES)
    assert {Build(row.backend).variant for row in ROWS} == {"cuda", "hip", "xpu", ""}


def test_the_table_fits_the_tested_version() -> None:
    """The CUDA build in the table is the one that the plain package index has, too."""
    if torch.version.cuda is None:
        pytest.skip("This environment has another build of PyTorch.")
    row = next(row for row in ROWS if row.backend.startswith("cu") and not row.overrides)
    assert row.backend == "cu" + torch.version.cuda.replace(".", "")
    for name in re.findall(r"sm_\d+", torch._C._cuda_getArchFlags() or ""):
        assert re.fullmatch(row.architectures, name), f"{name} would get another build"


def test_the_older_versions_take_the_place_of_tested_ones() -> None:
    pinned = {line.partition("==")[0] for line in (HOUSE / "constraints.txt").read_text("utf-8").splitlines()}
    older = [line for line in (HOUSE / PRE_TURING).read_text("utf-8").splitlines() if not line.startswith("#")]
    assert older and {line.partition("==")[0] for line in older} <= pinned
