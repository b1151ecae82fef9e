"""The logic of the Checkpoints tab, without components: the list of files, overrides, downloads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import engine.preferences as preferences
from engine.checkpoints.download import background as downloads
from engine.checkpoints.download import hub
from engine.checkpoints.download.background import DownloadManager
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.plan import DownloadPlan
from engine.checkpoints.download.sources import DownloadSource, read_link, read_offers
from engine.checkpoints.families import BY_NAME
from engine.checkpoints.library import overrides
from engine.checkpoints.library.overrides import Override
from engine.errors import EaselError, RequestError
from engine.plan.hardware.facts import Hardware
from engine.settings import Settings
from ui import messages, sentences
from ui.common.checkpoint_options import CheckpointOptions
from ui.tabs.checkpoints import downloads_view, view
from ui.tabs.history.desktop import DesktopError, move_to_trash
from ui.templates import render_notice

LONGEST_WORDS = 2000
"""Characters of the words before a checkpoint's prompts."""


class CheckpointsService:
    """Each method is what one event does, in plain values."""

    def __init__(self, settings: Settings, checkpoint_options: CheckpointOptions) -> None:
        self._settings, self._checkpoint_options = settings, checkpoint_options
        self._downloads = DownloadManager(settings.models, self._look)
        self._offers = read_offers()

    @property
    def busy(self) -> bool:
        """Whether a download is in progress."""
        return self._downloads.busy

    def scan(self) -> None:
        """Read the user's folders anew."""
        self._checkpoint_options.scan()

    def render_inventory(self) -> str:
        """Everything that the last scan found in the user's folders."""
        inventory = self._checkpoint_options.inventory
        chosen = overrides.read(self._settings.data)
        return view.render_inventory(inventory.entries, inventory.refused, chosen, self._settings.models)

    def render_offers(self, hardware: Hardware | None = None) -> str:
        """The known checkpoints and LoRAs, those first that suit ``hardware`` best, and which of them the last scan found."""
        entries = self._checkpoint_options.inventory.entries
        return downloads_view.render_offers(self._offers, {entry.path.name for entry in entries}, hardware)

    def render_downloads(self) -> str:
        """The downloads as they are now."""
        return downloads_view.render_downloads(self._downloads.all())

    def count_finished(self) -> int:
        """The number of complete downloads, by which a page notices a new one."""
        return sum(download.state == downloads.FINISHED for download in self._downloads.all())

    def choose(self, name: str, family: str, prediction_type: str, defaults: Mapping[str, str] | None = None) -> str:
        """Save the user's overrides for an entry's file and return what to show. Values that were not offered are ignored;
        ``defaults`` has the texts of the fields in :data:`ui.tabs.checkpoints.view.DEFAULTS`."""
        entry = next((entry for entry in self._checkpoint_options.inventory.entries if entry.name == name), None)
        if entry is None:
            return render_notice(messages.FILE_GONE, "trouble")
        family = family if family in BY_NAME else ""
        prediction_type = prediction_type if prediction_type in overrides.PREDICTION_TYPES else ""
        if family and not prediction_type:
            prediction_type = BY_NAME[family].prediction_type
        try:
            override = _read_defaults(Override(family, prediction_type), defaults or {})
            overrides.write(self._settings.data, entry.path, override)
        except EaselError as error:
            return render_notice(str(error), "trouble")
        self.scan()
        return render_notice(messages.CHOICE_KEPT)

    def trash(self, name: str, busy: bool) -> str:
        """Move an entry of Easel's own models folder to the system's trash and return what to show. ``busy``: whether a job runs
        or waits, any of which may need the file."""
        entry = next((entry for entry in self._checkpoint_options.inventory.entries if entry.name == name), None)
        if entry is None:
            return render_notice(messages.FILE_GONE, "trouble")
        if not view.can_trash(entry, self._settings.models):
            return render_notice(sentences.foreign_file(entry.path), "trouble")
        if busy:
            return render_notice(messages.JOBS_MAY_NEED_IT, "trouble")
        try:
            move_to_trash(entry.path)
        except DesktopError:
            return render_notice(sentences.checkpoint_stays(entry.path), "trouble")
        return render_notice(sentences.checkpoint_in_trash(entry.name))

    def paste(self, link: str) -> str:
        """Look up a hub name or a link and return what to show."""
        try:
            source = read_link(link)
        except EaselError as error:
            return render_notice(str(error), "trouble")
        self._downloads.ask([source], source.name)
        return ""

    def _look(self, source: DownloadSource, *, control: Control) -> DownloadPlan:
        return hub.look(source, control=control, with_checker=preferences.read(self._settings.data).safety_checker)

    def press(self, what: str, which: str) -> None:
        """A press on a button beside an offer or a download (:mod:`ui.tabs.checkpoints.downloads_view`)."""
        downloads = self._downloads
        orders = {
            "start": downloads.start, "pause": downloads.pause, "cancel": downloads.cancel, "dismiss": downloads.dismiss,
            "discard": downloads.discard,
        }  # fmt: skip
        if what == "ask":
            offer = next((offer for offer in self._offers if offer.name == which), None)
            if offer is not None:
                self._downloads.ask(offer.sources, offer.label, offer.licence, offer.licence_link)
        elif what in orders and which.isdecimal() and len(which) < 10:
            orders[what](int(which))


def _read_defaults(override: Override, written: Mapping[str, str]) -> Override:
    """``override`` with the defaults that were typed. Raises RequestError, a sentence, for a number that cannot be used."""
    steps, guidance_scale = (written.get(name, "").strip().replace(",", ".") for name in ("steps", "guidance_scale"))
    try:
        return dataclasses.replace(
            override,
            steps=int(steps) if steps else None,
            guidance_scale=float(guidance_scale) if guidance_scale else None,
            vae=written.get("vae", ""),
            words_before=written.get("words_before", "").strip()[:LONGEST_WORDS],
        )
    except ValueError as error:
        raise RequestError(sentences.wrong_defaults(overrides.MOST_STEPS, overrides.MOST_GUIDANCE)) from error
