"""The small files of the data folder: each that cannot be read when Easel starts is moved aside, and Easel goes on without it."""

from __future__ import annotations

from pathlib import Path

from engine.json_values import JsonValue
from engine.storage.json_store import JsonStore

FILES = (
    "settings.json", "checkpoint-choices.json", "checkpoint-hashes.json", "learnt.json", "measured.json", "self-test.json",
    "forms.json",
)  # fmt: skip


def set_aside_unreadable_files(data: Path) -> tuple[str, ...]:
    """A sentence for each file that could not be read, and where it is now. Never raises."""
    stores = [JsonStore[JsonValue](data / name, lambda value: value, lambda value: value) for name in FILES]
    return tuple(sentence for store in stores if (sentence := store.set_aside_if_unreadable()))
