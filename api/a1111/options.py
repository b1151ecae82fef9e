"""A1111's options: the few that mean something here, kept in the data folder. They are the defaults of A1111's routes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from api.context import ApiContext
from api.names import find_entry, is_open, list_drawing, write_title
from engine.checkpoints.library.catalogue import Inventory
from engine.errors import OutputError, RequestError
from engine.json_values import JsonObject, JsonValue
from engine.requests import LIMITS
from engine.storage.json_store import JsonStore

FILE = "a1111-options.json"
CHECKPOINT, VAE, CLIP_SKIP = "sd_model_checkpoint", "sd_vae", "CLIP_stop_at_last_layers"
HIRES_FIX = "easel_hires_fix"
KNOWN = (CHECKPOINT, VAE, CLIP_SKIP)


@dataclass(frozen=True)
class Choice:
    """What a request or the options choose: names from the catalogue, None for Easel's own choice."""

    checkpoint: str | None = None
    vae: str | None = None
    clip_skip: int | None = None


def read_choice(written: Mapping[str, JsonValue], inventory: Inventory, before: Choice) -> Choice:
    """``before`` with the options in ``written``. Raises NotFound or RequestError for values that cannot be used."""
    checkpoint, vae, clip_skip = before.checkpoint, before.vae, before.clip_skip
    if (wanted := written.get(CHECKPOINT)) is not None:
        name = _read_text(CHECKPOINT, wanted)
        checkpoint = None if is_open(name) else find_entry("Checkpoint", name, list_drawing(inventory)).name
    if (wanted := written.get(VAE)) is not None:
        name = _read_text(VAE, wanted)
        vae = None if is_open(name) else find_entry("VAE", name, inventory.of_kind("vae")).name
    if (wanted := written.get(CLIP_SKIP)) is not None:
        clip_skip = _read_clip_skip(wanted)
    return Choice(checkpoint, vae, clip_skip)


def load_choice(context: ApiContext, inventory: Inventory) -> Choice:
    """The options that were posted last. A file that is gone since is no longer chosen."""
    try:
        return read_choice(_open_store(context.settings.data).read_or_empty(), inventory, Choice())
    except RequestError:
        return Choice()


def save_options(context: ApiContext, written: JsonObject) -> None:
    """Keep the options in ``written`` that mean something here. Raises NotFound, RequestError or OutputError, and then keeps what
    was there."""
    inventory = context.catalogue.scan()
    chosen = read_choice(written, inventory, load_choice(context, inventory))
    kept: dict[str, JsonValue] = {CHECKPOINT: chosen.checkpoint, VAE: chosen.vae, CLIP_SKIP: chosen.clip_skip}
    try:
        _open_store(context.settings.data).update(lambda before: kept)
    except OSError as error:
        raise OutputError(f"The options could not be saved: {error.strerror or error}.") from error
    if chosen.checkpoint and chosen.checkpoint == written.get(CHECKPOINT):
        context.jobs.warm(chosen.checkpoint)


def write_options(context: ApiContext) -> JsonObject:
    """The options as clients read them. There is no key that only Forge has, by which clients would take Easel for it."""
    inventory = context.catalogue.scan()
    chosen = load_choice(context, inventory)
    drawing = list_drawing(inventory)
    entry = next((each for each in drawing if each.name == chosen.checkpoint), drawing[0] if drawing else None)
    return {
        CHECKPOINT: write_title(entry) if entry else "",
        "sd_checkpoint_hash": (entry.sha256 or None) if entry else None,
        VAE: chosen.vae or "Automatic",
        CLIP_SKIP: chosen.clip_skip or 1,
        "samples_format": "png",
        "outdir_samples": str(context.settings.outputs),
    }


def _read_text(name: str, value: JsonValue) -> str:
    if not isinstance(value, str):
        raise RequestError(f"“{name}” must be a text. It was {value!r:.100}.")
    return value


def _read_clip_skip(value: JsonValue) -> int:
    limit = LIMITS["clip_skip"]
    try:
        number = float(value) if isinstance(value, str | int | float) else -1.0
        if number.is_integer() and limit.least <= number <= limit.most + 1:
            return int(min(number, limit.most))
    except (ValueError, OverflowError):
        pass
    raise RequestError(f"“{CLIP_SKIP}” must be a whole number from 1 to 12. It was {value!r:.100}.")


def _open_store(folder: Path) -> JsonStore[JsonValue]:
    return JsonStore(folder / FILE, lambda value: value, lambda value: value)
