"""What happens on the Checkpoints tab, without components: what there is, what is chosen for a file, what is fetched."""

from __future__ import annotations

from engine import preferences
from engine.checkpoints import choices, downloads, hub
from engine.checkpoints.architectures import BY_NAME
from engine.checkpoints.downloads import Downloads
from engine.checkpoints.hub import Parcel
from engine.checkpoints.sources import Source, offers, read_link
from engine.errors import EaselError
from engine.settings import Settings
from ui import fetching, inventory, messages, stage
from ui.shelf import Shelf


class Stock:
    """Each method is what one event does, in plain values."""

    def __init__(self, settings: Settings, shelf: Shelf) -> None:
        self._settings, self._shelf = settings, shelf
        self._downloads = Downloads(settings.models, self._look)
        self._offers = offers()

    @property
    def busy(self) -> bool:
        """Whether a download changes by itself."""
        return self._downloads.busy

    def inventory(self) -> str:
        """Everything in the user's folders, looked at now."""
        self._shelf.look()
        catalogue = self._shelf.catalogue
        return inventory.show(catalogue.scan(), catalogue.refused, choices.read(self._settings.data))

    def offers(self) -> str:
        """The known checkpoints."""
        return fetching.show_offers(self._offers, {entry.path.name for entry in self._shelf.catalogue.checkpoints()})

    def downloads(self) -> str:
        """The downloads as they are now."""
        return fetching.show_downloads(self._downloads.all())

    def finished(self) -> int:
        """How many downloads are whole, so that a page sees when there is something new."""
        return sum(download.state == downloads.FINISHED for download in self._downloads.all())

    def choose(self, name: str, architecture: str, prediction_type: str) -> str:
        """Keep what the user says of an entry's file; what to say. Values that nobody offered count as none."""
        entry = next((entry for entry in self._shelf.catalogue.scan() if entry.name == name), None)
        if entry is None:
            return stage.says(messages.FILE_GONE, "trouble")
        architecture = architecture if architecture in BY_NAME else ""
        prediction_type = prediction_type if prediction_type in choices.PREDICTION_TYPES else ""
        if architecture and not prediction_type:
            prediction_type = BY_NAME[architecture].prediction_type
        choices.remember(self._settings.data, entry.path, architecture=architecture, prediction_type=prediction_type)
        return stage.says(messages.CHOICE_KEPT)

    def paste(self, link: str) -> str:
        """Ask about a hub name or a link; what to say."""
        try:
            source = read_link(link)
        except EaselError as error:
            return stage.says(str(error), "trouble")
        self._downloads.ask([source], source.name)
        return ""

    def _look(self, source: Source) -> Parcel:
        return hub.look(source, with_checker=preferences.read(self._settings.data).safety_checker)

    def press(self, what: str, which: str) -> None:
        """A press on a button beside an offer or a download (:mod:`ui.fetching`)."""
        if what == "ask":
            offer = next((offer for offer in self._offers if offer.name == which), None)
            if offer is not None:
                self._downloads.ask(offer.sources, offer.label, offer.licence, offer.licence_link)
        elif what in ("start", "pause", "cancel", "dismiss") and which.isdecimal():
            getattr(self._downloads, what)(int(which))
