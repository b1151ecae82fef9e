"""The catalogue's control networks, and which of them work with a checkpoint. Does not import torch."""

from __future__ import annotations

from engine.checkpoints.control.recognition import KIND
from engine.checkpoints.control.shape import METHODS, SCALE, DenoiserShape, scale_of_vae, shape_of_unet
from engine.checkpoints.families import BASE_MODELS
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import CheckpointError

_MOST_NAMED = 5
"""The most files that a sentence names."""


def list_controls(inventory: Inventory, entry: CheckpointEntry | None = None) -> list[CheckpointEntry]:
    """All control networks, or those that work with the checkpoint ``entry``."""
    controls = inventory.of_kind(KIND)
    return controls if entry is None else [control for control in controls if fits(control, entry)]


def fits(control: CheckpointEntry, entry: CheckpointEntry) -> bool:
    """Whether a control network was trained beside a denoiser like that of the checkpoint ``entry``."""
    shape, wanted = control.identity.control, _shape_of(entry)
    return shape is not None and wanted is not None and shape.fits(wanted)


def find_control(name: str, entry: CheckpointEntry, inventory: Inventory) -> CheckpointEntry:
    """The control network called ``name``, for the checkpoint ``entry``. Raises CheckpointError, with the names of those that
    fit, if there is none or it is for another family."""
    try:
        found = inventory.find(name, KIND)
    except CheckpointError as error:
        raise CheckpointError(f"{error} {_name_fitting(inventory, entry)}") from error
    if found.identity.kind != KIND:
        raise CheckpointError(f"“{found.name}” is no ControlNet or T2I-Adapter. {_name_fitting(inventory, entry)}")
    if not fits(found, entry):
        base, shape = BASE_MODELS.get(found.identity.family), found.identity.control
        made_for = f"is for {base.label}" if base else "is for another kind of checkpoint"
        method = METHODS[shape.method] if shape else "control"
        raise CheckpointError(
            f"The {method} “{found.name}” {made_for}, and “{entry.name}” is {entry.family.label}. "
            f"{_name_fitting(inventory, entry)}"
        )
    return found


def _name_fitting(inventory: Inventory, entry: CheckpointEntry) -> str:
    """A sentence on the control networks that work with a checkpoint."""
    fitting = [f"“{control.name}”" for control in list_controls(inventory, entry)]
    if not fitting:
        return (
            f"No ControlNet or T2I-Adapter in your folders fits “{entry.name}”: put one into the models folder, or take out the "
            "control."
        )
    more = f" and {len(fitting) - _MOST_NAMED} more" if len(fitting) > _MOST_NAMED else ""
    return f"These fit “{entry.name}”: {', '.join(fitting[:_MOST_NAMED])}{more}."


def _shape_of(entry: CheckpointEntry) -> DenoiserShape | None:
    """The shape of the checkpoint's denoiser; None where it is no UNet."""
    if "unet" not in entry.parameters:
        return None
    return shape_of_unet(entry.config("unet"), scale_of_vae(entry.config("vae")) if "vae" in entry.parameters else SCALE)
