"""Counts of attacks tried and of faults found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

FAULTS = ("lost", "twice", "half written", "traces shown", "code run", "files served", "connections out")
"""What an attack can achieve, in the order in which it is printed. All counts must be 0."""

PROPERTY = "tally"
"""The key of a test's counts in its report."""


class Tally:
    """The attacks that a test tried and the faults that it found. The test fails unless every count of faults is 0."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._evidence: list[str] = []

    def add_attempts(self, times: int = 1) -> None:
        """Add attacks: requests, files, kills."""
        self.counts["tried"] += times

    def count(self, fault: str, times: int = 1, evidence: str = "") -> None:
        """Add ``times`` to one of :data:`FAULTS`. ``evidence`` is shown if the test fails."""
        if fault not in FAULTS:
            raise KeyError(f"{fault!r} is not one of {FAULTS}")
        self.counts[fault] += times
        if times and evidence:
            self._evidence.append(f"{fault}: {evidence}")

    def check(self) -> None:
        """Raises AssertionError if there was any fault."""
        through = {fault: self.counts[fault] for fault in FAULTS if self.counts[fault]}
        assert not through, "\n".join([f"{through} of {self.counts['tried']} tried", *self._evidence[:20]])


def add_up(tallies: Iterable[Mapping[str, int]]) -> str:
    """The summary that is printed at the end of a run."""
    total: Counter[str] = Counter()
    for counts in tallies:
        total.update(counts)
    return ", ".join(f"{name} {total[name]:,}" for name in ("tried", *FAULTS))
