"""Whether a checkpoint's own safety checker lets a picture pass, where the settings ask for it. Else it is not kept."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

import engine.preferences as preferences
from engine.checkpoints.library.catalogue import CheckpointEntry
from engine.checkpoints.load.safety_checker import SafetyChecker, is_brought
from engine.errors import PictureWithheld
from engine.events import Notice
from engine.generate.engine_state import EngineState
from engine.requests import ExecutionPlan
from engine.stopping import Stop

_WITHHELD = (
    "The picture was withheld: the checkpoint's own safety checker objects to it. Another seed or other words may give one that "
    "passes. The Settings tab has the switch for the checker."
)


def remarks(entry: CheckpointEntry, state: EngineState) -> Iterator[str]:
    """What is to be said before a run: that a checker was asked for and there is none."""
    if _is_wanted(state) and not is_brought(entry):
        yield f"“{entry.name}” brings no safety checker, so its pictures are not checked."


def checker_for(entry: CheckpointEntry, plan: ExecutionPlan, state: EngineState, stop: Stop) -> SafetyChecker | None:
    """The checker of a leased checkpoint, None where none is asked for or there is none."""
    return state.cache.safety_checker(entry, plan, stop.is_set) if _is_wanted(state) else None


def check(image: Image.Image, checker: SafetyChecker | None) -> None:
    """Raises PictureWithheld if ``checker`` objects to ``image``."""
    if checker is not None and checker.objects_to(image):
        raise PictureWithheld(_WITHHELD)


def told(job: str, error: PictureWithheld, index: int, count: int) -> Iterator[Notice]:
    """Of several pictures one that is withheld is named and left out; a single one is the job's own failure."""
    if count > 1:
        yield Notice(job=job, text=f"Picture {index + 1} of {count}: {error}")


def _is_wanted(state: EngineState) -> bool:
    return preferences.read(state.settings.data).safety_checker
