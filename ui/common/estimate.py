"""What the page says before Generate is pressed: whether it fits, and about how long it takes."""

from __future__ import annotations

from html import escape

from engine.checkpoints.library.catalogue import CheckpointEntry
from engine.descriptions import EngineDescription
from engine.errors import EaselError
from engine.generate.estimate import Circumstances, Outlook, outlook
from engine.plan.hardware.facts import from_text
from engine.plan.learned import LearnedFacts
from engine.requests import GenerationRequest, ResolvedGeneration, complete
from engine.settings import Settings
from ui import messages
from ui.common import result_view
from ui.common.checkpoint_options import CheckpointOptions


class Forecast:
    """Says what will come of a request on this machine, as the worker described it."""

    def __init__(self, settings: Settings, checkpoint_options: CheckpointOptions) -> None:
        self._settings, self._checkpoint_options = settings, checkpoint_options
        self._notes = LearnedFacts(settings.data / "learnt.json")

    def say(self, asked: GenerationRequest, described: EngineDescription | None) -> str:
        """A line of HTML; "" while the worker starts, or where nothing can be said of this checkpoint."""
        if described is None or not described.hardware:
            return ""
        here = Circumstances(
            settings=self._settings, hardware=from_text(described.hardware), notes=self._notes,
            measured=described.measured,
        )  # fmt: skip
        try:
            entry = self._checkpoint_options.catalogue.find(asked.checkpoint)
            seen = outlook(entry, _completed(asked, entry), here)
        except (EaselError, KeyError):
            return ""  # Generate says what is wrong with the request or with the checkpoint.
        notes = "".join(result_view.says(note) for note in here.hardware.notes)
        return notes + show(seen, asked.count)


def show(seen: Outlook, count: int) -> str:
    """An outlook as HTML. ``count`` pictures are asked for."""
    if seen.refusal:
        return f'<p class="outlook refused">{escape(messages.DOES_NOT_FIT)} {escape(seen.refusal)}</p>'
    said = [messages.fits(seen.need, seen.free), *seen.measures, messages.takes(seen.seconds, count)]
    return f'<p class="outlook">{escape(" ".join(said))}</p>'


def _completed(asked: GenerationRequest, entry: CheckpointEntry) -> ResolvedGeneration:
    """``asked`` with what the checkpoint is best run with where it leaves something open; the seed makes no difference."""
    family = entry.family
    scale = family.guidance_scale if asked.guidance_scale is None else asked.guidance_scale
    return complete(
        asked, checkpoint=entry.name, width=asked.width or family.native_size, height=asked.height or family.native_size,
        steps=asked.steps or family.steps, guidance_scale=scale, scheduler=asked.scheduler or family.scheduler, seed=0,
    )  # fmt: skip
