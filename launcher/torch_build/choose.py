"""The table of PyTorch's builds: which one holds the code for a card, on which system and with which driver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from launcher.torch_build.cards import Card

PYTHONS = (3, 11), (3, 15)
"""From the first, below the second: the versions that PyTorch is published for."""

GIGABYTE = 10**9

PRE_TURING = "constraints-pre-turing.txt"
REPAIR = "then press Repair (on the Settings tab, under This computer)"
ANY = ("Linux", "Windows")
MAKERS = ("nvidia", "amd", "intel")
NAMES = {"nvidia": "The NVIDIA card", "amd": "The AMD card", "intel": "The Intel card"}
VARIANTS = {"cu": "cuda", "rocm": "hip", "xpu": "xpu", "cpu": ""}
"""How the names of uv's back ends begin -> which of torch.version's attributes such a build sets."""


@dataclass(frozen=True)
class BuildRow:
    """Cards of ``maker`` whose architecture matches ``architectures`` as a whole, on one of the ``systems``.

    ``backend`` is uv's name of the build, "cpu" if there is none for them; ``reason`` then completes "... cannot be used: ", or
    is empty where nobody expects such a card to compute. ``driver`` is the least version that the build runs with, ``update`` the
    one to install. ``overrides`` is a file whose versions take the place of those in constraints.txt. ``gfx_version`` is the
    value of HSA_OVERRIDE_GFX_VERSION with which the card runs the code of a sister chip, if the build has none for its own.
    """

    maker: str
    architectures: str
    backend: str = "cpu"
    systems: tuple[str, ...] = ANY
    reason: str = ""
    driver: tuple[int, ...] = ()
    update: str = "580 or newer"
    overrides: str = ""
    pythons: tuple[tuple[int, int], tuple[int, int]] = PYTHONS
    gfx_version: str = ""


ROWS = (
    BuildRow("nvidia", r"sm_(7[5-9]|[89]\d|1\d\d)", "cu132", driver=(580,)),
    BuildRow(
        "nvidia",
        r"sm_([56]\d|7[0-4])",
        "cu126",
        driver=(528, 33),  # Windows; Linux needs 525.60
        update="580, the last one for cards of this age",
        overrides=PRE_TURING,
        pythons=((3, 11), (3, 14)),
    ),
    BuildRow("nvidia", r"sm_[1-4]\d", reason="no PyTorch that Easel runs with has code for a card so old"),
    BuildRow("nvidia", r"", driver=(10**6,), update="580 or newer (580 itself for cards before the GTX 16 and RTX 20 series)"),
    BuildRow("amd", r".*", systems=("Windows",), reason="PyTorch's own builds for AMD cards are for Linux only"),
    BuildRow("amd", r"gfx(90[068a]|942|950|1030|110[012]|115[01]|120[01])", "rocm7.2", ("Linux",)),
    BuildRow("amd", r"gfx103[1-5]", "rocm7.2", ("Linux",), gfx_version="10.3.0"),
    BuildRow("amd", r"gfx1103", "rocm7.2", ("Linux",), gfx_version="11.0.2"),
    BuildRow("amd", r"gfx115[23]", "rocm7.2", ("Linux",), gfx_version="11.5.0"),
    BuildRow("amd", r"gfx1036"),  # two compute units in a desktop processor
    BuildRow("amd", r"gfx.+", reason="PyTorch's build for AMD cards has no code for its chip"),
    BuildRow(
        "amd",
        r"",
        reason="the part of its driver that computes (amdgpu with /dev/kfd) is not there. Install AMD's driver or a newer "
        f"kernel, {REPAIR}",
    ),
    # Arc A, Arc B, Core Ultra (Meteor, Arrow, Lunar and Panther Lake), Data Center GPU Max.
    BuildRow("intel", r"0x(56..|4f8.|e2[0-2].|7d[4-6d].|64[2ab].|b0[89a-f].|0b[d6].)", "xpu"),
    BuildRow("intel", r".*"),
)
"""The first row that fits a card is used; cards of an earlier row are preferred."""


@dataclass(frozen=True)
class Build:
    """The build to install: for ``card``, or for the processor, and then ``reason`` completes "... cannot be used: " if a card
    was expected to be used. The other fields are those of the :class:`BuildRow`."""

    backend: str = "cpu"
    card: Optional[Card] = None
    reason: str = ""
    overrides: str = ""
    pythons: tuple[tuple[int, int], tuple[int, int]] = PYTHONS
    gfx_version: str = ""

    @property
    def variant(self) -> str:
        """The attribute of torch.version that tells that this build has arrived; "" for the processor's."""
        return next(variant for start, variant in VARIANTS.items() if self.backend.startswith(start))

    @property
    def card_name(self) -> str:
        if self.card is None:
            return "The graphics card"
        return self.card.name or NAMES[self.card.maker]

    def disk_space(self, own_index: bool, system: str) -> int:
        """Bytes that a first set-up needs, measured on Linux with uv 0.13 and PyTorch 2.15 and rounded up. The plain package
        index has the large build on Linux and the small one elsewhere."""
        large = bool(self.variant) if own_index else system == "Linux"
        return (8 if large else 3) * GIGABYTE


def choose_build(cards: list[Card], system: str) -> Build:
    """The build for the card that is best served, or the processor's with the reason why it is not a card's.

    A card of the next maker does not take the place of one whose driver only has to be updated.
    """
    fitting = [(row, card) for card in cards for row in [find_row(card, system)] if row is not None]
    judged = [(row, judge(row, card)) for row, card in sorted(fitting, key=lambda pair: ROWS.index(pair[0]))]
    promising = [(row, build) for row, build in judged if build.variant or (row.driver and build.reason)]
    best = sorted(promising, key=lambda pair: (MAKERS.index(pair[0].maker), not pair[1].variant))
    return next((build for _, build in [*best, *judged] if build.variant or build.reason), Build())


def find_row(card: Card, system: str) -> Optional[BuildRow]:
    return next((row for row in ROWS if is_about(row, card, system)), None)


def is_about(row: BuildRow, card: Card, system: str) -> bool:
    return row.maker == card.maker and system in row.systems and re.fullmatch(row.architectures, card.architecture) is not None


def judge(row: BuildRow, card: Card) -> Build:
    """The row's build for ``card``, or the processor's if the row has none or the driver is missing or too old."""
    reason = row.reason or find_driver_fault(row, card)
    if reason or row.backend == "cpu":
        return Build(card=card, reason=reason)
    return Build(row.backend, card, "", row.overrides, row.pythons, row.gfx_version)


def find_driver_fault(row: BuildRow, card: Card) -> str:
    """What is wrong with the driver and what to do about it; "" if it will do."""
    if not row.driver:
        return ""
    update = f"{row.update}, {REPAIR}"
    if "mismatch" in card.trouble:
        return f"its driver was updated while it was in use. Restart the computer, {REPAIR}"
    if card.trouble:
        said = card.trouble.rstrip(".")
        return f"its driver does not work ({said}). Restart the computer; if that does not help, install driver {update}"
    if not card.driver:
        return f"NVIDIA's driver is not installed. Install driver {update}"
    if read_version(card.driver) < row.driver:
        return f"its driver ({card.driver}) is too old. Update the driver to {update}"
    return ""


def read_version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def has_code(build: Build, compiled: list[str]) -> bool:
    """Whether a PyTorch with code for ``compiled`` (``sm_86``) has some for the build's card: CUDA's runs on the same major
    version with the same or a higher minor one. True where that cannot be told."""
    card = build.card
    own = re.fullmatch(r"sm_(\d+)(\d)", card.architecture) if card is not None and build.variant == "cuda" else None
    known = [found.groups() for name in compiled for found in [re.fullmatch(r"sm_(\d+)(\d)a?", name)] if found]
    return own is None or not known or any(major == own.group(1) and minor <= own.group(2) for major, minor in known)
