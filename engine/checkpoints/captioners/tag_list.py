"""The tags of a WD14 tagger: a CSV file beside the model, and which of them an image has.

The columns are those of SmilingWolf's models: ``tag_id,name,category,count``, a row for each of the model's outputs.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.storage.regular_files import read_regular_file

FILE = "selected_tags.csv"
"""The list's name beside a published model; ComfyUI's node names it after the model instead."""

MOST_BYTES = 16 * 2**20

GENERAL, CHARACTER = 0, 4
"""Categories: what is seen, and who. Others rate the image."""

CHARACTER_THRESHOLD = 0.85
"""The least confidence for a character, as the models' author chose it: a wrong name is worse than a wrong colour."""

_FACE = re.compile(r"(?:[^\w\s]+|.)_(?:[^\w\s]+|.)|<.>_<.>|\(.\)_\(.\)")
"""Tags that draw a face, such as ``^_^``, in which the underscore is no space."""


@dataclass(frozen=True)
class ImageTag:
    """A tag; ``name`` has underscores for spaces."""

    name: str
    category: int


def find_tag_file(model: Path) -> Path | None:
    """The list of tags beside a model; None if there is none."""
    return next((path for path in (model.parent / FILE, model.with_suffix(".csv")) if path.is_file()), None)


def read_tags(path: Path) -> tuple[ImageTag, ...]:
    """The tags in the order of the model's outputs. Raises OSError, and ValueError for a file that is no such list."""
    text = read_regular_file(path, MOST_BYTES).decode("utf-8-sig", "replace")
    try:
        rows = list(csv.DictReader(text.splitlines()))
        return tuple(ImageTag(row["name"], int(row["category"])) for row in rows)
    except (KeyError, TypeError, csv.Error) as error:
        raise ValueError("it has no columns “name” and “category”") from error


def write_tags(tags: Sequence[ImageTag], scores: Sequence[float], threshold: float) -> str:
    """The tags that an image has as words for a prompt, the most certain first. ``scores`` are the model's outputs, 0..1."""
    least = {GENERAL: threshold, CHARACTER: max(threshold, CHARACTER_THRESHOLD)}
    found = [(score, tag) for tag, score in zip(tags, scores, strict=True) if score >= least.get(tag.category, 2.0)]
    found.sort(key=lambda each: -each[0])
    return ", ".join(_escape(tag.name if _FACE.fullmatch(tag.name) else tag.name.replace("_", " ")) for _, tag in found)


def _escape(words: str) -> str:
    """``words`` without a meaning for the prompt language, in which brackets weight what is in them."""
    return re.sub(r"([\\()\[\]])", r"\\\1", words)
