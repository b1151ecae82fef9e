"""Decides which controls of a request run, and with which networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.control_networks import find_control
from engine.checkpoints.library.entry import CheckpointEntry
from engine.requests import Control


@dataclass(frozen=True, kw_only=True)
class PreparedControl:
    """A control that runs: its ``number`` in the request, from 1 on, and its network's file."""

    number: int
    control: Control
    entry: CheckpointEntry


def find_controls(
    asked: Sequence[Control], entry: CheckpointEntry, inventory: Inventory
) -> tuple[tuple[PreparedControl, ...], tuple[str, ...]]:
    """The controls that run beside the checkpoint ``entry``, and a sentence on each that does not. Raises CheckpointError if a
    network is missing or for another family."""
    running: list[PreparedControl] = []
    notices: list[str] = []
    for number, control in enumerate(asked, start=1):
        if control.has_effect:
            running.append(PreparedControl(number=number, control=control, entry=find_control(control.model, entry, inventory)))
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
