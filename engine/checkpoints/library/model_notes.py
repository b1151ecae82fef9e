"""What is known of a LoRA or embedding: title, trigger words, notes and a preview, from its header and from files beside it.

Other programs keep such files beside ``name.safetensors``: AUTOMATIC1111's and Forge ``name.json``, ``name.txt`` and
``name.preview.png``; Civitai Helper ``name.civitai.info``; ComfyUI's extensions ``name.metadata.json``,
``name.safetensors.rgthree-info.json`` and ``name.txt``; Stability Matrix ``name.cm-info.json``; SwarmUI ``name.swarm.json``.
Nothing is downloaded, and the files are only read.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

from engine.checkpoints.files.headers import read_header
from engine.checkpoints.identify.adapters import THUMBNAIL, TRAINING_TAGS
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import CheckpointError, EaselError
from engine.json_values import JsonObject, JsonValue, parse_object
from engine.storage.file_version import Version, read_version
from engine.storage.items import translate_any_error
from engine.storage.regular_files import read_regular_file

MOST_BYTES, MOST_NAMES, LONGEST_TEXT, MOST_WORDS = 4 * 2**20, 100_000, 4000, 60
"""Limits: bytes of a file, files of a folder, characters of a note, trigger words."""

STRUCTURED = (
    ".json", ".civitai.info", ".metadata.json", ".cm-info.json", ".swarm.json", ".rgthree-info.json", ".info",
)  # fmt: skip
TEXTS = (".txt", ".description.txt")
PREVIEWS = tuple(
    f"{middle}{ending}" for middle in (".preview", "") for ending in (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")
)
"""Endings after the name of the file without its own ending, or with it."""

_WORDS = ("activation text", "trainedWords", "TrainedWords", "modelspec.trigger_phrase", "trigger_words", "triggerWords")
_NOTES = (
    "notes", "Notes", "userNote", "description", "ModelDescription", "VersionDescription", "modelspec.description",
    "modelspec.usage_hint", "usage_tips",
)  # fmt: skip
_TITLES = ("UserTitle", "modelspec.title", "model_name", "ModelName")
_WEIGHTS = ("preferred weight", "preferred_weight")
_NEGATIVES = ("negative text",)
_INSIDE = ("civitai", "model")
"""Keys of objects inside another one that hold the same keys."""

_BREAKS = frozenset({"p", "br", "li", "div", "h1", "h2", "h3", "tr"})


@dataclass(frozen=True, kw_only=True)
class ModelNotes:
    """``words``: trigger words; ``activation``: what its user wants in the prompt with it. ``negative``: what belongs into the
    negative prompt. ``weight`` is the preferred one, None if nothing says. ``preview`` is an image beside the file, or the file
    itself if its header holds one. ``troubles``: a sentence for each file that cannot be read."""

    title: str = ""
    words: tuple[str, ...] = ()
    activation: str = ""
    negative: str = ""
    text: str = ""
    weight: float | None = None
    preview: Path | None = None
    troubles: tuple[str, ...] = field(default=())


def read_notes(entries: Iterable[CheckpointEntry]) -> dict[str, ModelNotes]:
    """What is known of each entry, by its name. Never raises; each folder is listed once."""
    listed: dict[Path, frozenset[str]] = {}
    found: dict[str, ModelNotes] = {}
    for entry in entries:
        names = listed.setdefault(entry.path.parent, _list_names(entry.path.parent))
        beside = _find_beside(entry.path, names)
        versions = tuple((path, version) for path in beside if (version := _find_version(path)) is not None)
        images = (entry.path.parent / name for name in _spell(entry.path, PREVIEWS) if name in names)
        preview = next(images, entry.path if THUMBNAIL in entry.identity.description else None)
        found[entry.name] = _read(tuple(entry.identity.description.items()), versions, preview)
    return found


def _list_names(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry, _ in zip(entries, range(MOST_NAMES), strict=False))
    except OSError:
        return frozenset()


def _spell(path: Path, endings: Sequence[str]) -> Iterator[str]:
    for ending in endings:
        yield path.stem + ending
        yield path.name + ending


def _find_beside(path: Path, names: frozenset[str]) -> Iterator[Path]:
    yield from (path.parent / name for name in _spell(path, (*STRUCTURED, *TEXTS)) if name in names)


def _find_version(path: Path) -> Version | None:
    try:
        return read_version(path)
    except OSError:
        return None


@lru_cache(maxsize=5000)
def _read(described: tuple[tuple[str, str], ...], versions: tuple[tuple[Path, Version], ...], preview: Path | None) -> ModelNotes:
    """The notes in a header and in these files. The user's own come first, then Civitai's, then the header's."""
    sources: list[JsonObject] = []
    texts: list[str] = []
    troubles: list[str] = []
    for path, _ in versions:
        try:
            with translate_any_error(CheckpointError, path.name):
                content = read_regular_file(path, MOST_BYTES)
                if path.name.endswith(TEXTS):
                    texts.append(content.decode("utf-8-sig", "replace"))
                else:
                    sources += _flatten(_parse(path, content))
        except EaselError as error:
            troubles.append(str(error))
    sources.append(dict(described))
    notes = dict.fromkeys([*texts, *_find_texts(sources, _NOTES)])
    return ModelNotes(
        title=_shorten(next(iter(_find_texts(sources, _TITLES)), ""), 200),
        words=tuple(_find_words(sources)),
        activation=_shorten(next(iter(_find_texts(sources, _WORDS[:1])), "")),
        negative=_shorten(next(iter(_find_texts(sources, _NEGATIVES)), "")),
        text=_shorten("\n\n".join(filter(None, map(_read_markup, notes)))),
        weight=_find_weight(sources),
        preview=preview,
        troubles=tuple(troubles),
    )


def _parse(path: Path, content: bytes) -> JsonObject:
    try:
        return parse_object(content.decode("utf-8-sig"))
    except ValueError as error:
        raise CheckpointError(f"“{path.name}” was left out: it is not JSON. Repair it, or delete it.") from error


def _flatten(source: JsonObject) -> list[JsonObject]:
    """An object, and those inside it that hold the same keys."""
    inside = [value for key in _INSIDE if isinstance(value := source.get(key), dict)]
    return [source, *inside, *(value for each in inside for key in _INSIDE if isinstance(value := each.get(key), dict))]


def _find_texts(sources: Iterable[JsonObject], keys: Sequence[str]) -> list[str]:
    found = [text for source in sources for key in keys if isinstance(text := source.get(key), str) and text.strip()]
    return list(dict.fromkeys(found))


def _find_words(sources: Sequence[JsonObject]) -> Iterator[str]:
    """The trigger words, each once, at most :data:`MOST_WORDS`; where nobody says any, the most frequent tags of the training."""
    said = (_split_words(source.get(key)) for source in sources for key in _WORDS)
    words = dict.fromkeys(word for each in said for word in each)
    if not words:
        words = dict.fromkeys(word for source in sources for word in _split_words(source.get(TRAINING_TAGS)))
    yield from list(words)[:MOST_WORDS]


def _split_words(value: JsonValue) -> list[str]:
    """Words in a text or a list; a list may hold objects with a ``word``. Those of a list may have commas, and stay whole."""
    if isinstance(value, str):
        return [_shorten(word.strip(), 200) for word in value.split(",") if word.strip()]
    if not isinstance(value, list):
        return []
    words = (each.get("word") if isinstance(each, dict) else each for each in value[: 10 * MOST_WORDS])
    return [_shorten(stripped, 400) for word in words if isinstance(word, str) and (stripped := word.strip(" ,\n\t"))]


def _find_weight(sources: Iterable[JsonObject]) -> float | None:
    """The preferred weight; 0, which editors write for none, counts as none."""
    for source in sources:
        for key in _WEIGHTS:
            weight = source.get(key)
            if isinstance(weight, (int, float)) and 0 < abs(weight) <= 10:
                return float(weight)
    return None


class _Words(HTMLParser):
    """The text of a note that may be HTML, as Civitai's descriptions are."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.parts += "\n" if tag in _BREAKS else ""

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        self.parts += [] if self._hidden else [data]


def _read_markup(text: str) -> str:
    reader = _Words()
    reader.feed(text[: 20 * LONGEST_TEXT])
    reader.close()
    return re.sub(r"\n\s*\n+", "\n", "".join(reader.parts)).strip()


def _shorten(text: str, most: int = LONGEST_TEXT) -> str:
    return text if len(text) <= most else f"{text[:most]} …"


def read_thumbnail(path: Path) -> bytes:
    """The preview in the header of a LoRA or embedding, as the bytes of an image file. Raises CheckpointError if it has none."""
    _, comma, data = read_header(path).metadata.get(THUMBNAIL, "").partition(";base64,")
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        content = b""
    if not comma or not content:
        raise CheckpointError(f"The preview in “{path.name}” is damaged.")
    return content
