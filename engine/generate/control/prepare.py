"""Decides which controls of a request run, and with which networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.checkpoints.control.purposes import PURPOSES, UNION_TASKS
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.control_networks import find_control
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import RequestError
from engine.generate.control.preprocessors import choose_purpose
from engine.requests import Control


@dataclass(frozen=True, kw_only=True)
class PreparedControl:
    """A control that runs: its ``number`` in the request, from 1 on, and its network's file."""

    number: int
    control: Control
    entry: CheckpointEntry

    @property
    def purpose(self) -> str:
        """What its map shows, a key of :data:`~engine.checkpoints.control.purposes.PURPOSES`; "" if nothing says it."""
        return choose_purpose(self.control, self.entry.path)

    @property
    def tasks(self) -> int:
        """How many kinds of maps its network knows by number: 0 but for unions."""
        return self.entry.identity.control.tasks if self.entry.identity.control else 0

    def check(self) -> None:
        """Raises RequestError for a union that does not know what the map shows."""
        known = [PURPOSES[name].words for name, task in UNION_TASKS.items() if task < self.tasks]
        if self.tasks and UNION_TASKS.get(self.purpose, self.tasks) >= self.tasks:
            raise RequestError(
                f"Control {self.number}: “{self.entry.name}” reads maps of many kinds. Choose what the map shows: "
                f"{', '.join(known)}."
            )


def find_controls(
    asked: Sequence[Control], entry: CheckpointEntry, inventory: Inventory
) -> tuple[tuple[PreparedControl, ...], tuple[str, ...]]:
    """The controls that run beside the checkpoint ``entry``, and a sentence on each that does not. Raises CheckpointError if a
    network is missing or for another family, and RequestError for a union that is not told what the map shows."""
    running: list[PreparedControl] = []
    notices: list[str] = []
    for number, control in enumerate(asked, start=1):
        if control.has_effect:
            found = PreparedControl(number=number, control=control, entry=find_control(control.model, entry, inventory))
            found.check()
            running.append(found)
        else:
            notices.append(_explain_no_effect(number, control))
    return tuple(running), tuple(notices)


def hash_controls(controls: Sequence[PreparedControl]) -> dict[str, str]:
    """For the image's record: which file each network was."""
    return {f"{each.entry.identity.kind} {each.entry.name}": each.entry.hash[:10] for each in controls}


def _explain_no_effect(number: int, control: Control) -> str:
    if control.weight == 0:
        return f"Control {number} has the weight 0, so it was not run: the picture is as without it."
    return (
        f"Control {number} starts at {control.start:g} of the steps and ends at {control.end:g}, so it was not run: the picture "
        "is as without it."
    )
