"""Components that lie outside of a checkpoint: in files of their own, or in the folder of another checkpoint.

Stable Diffusion 3 is often published without its text encoders, which are larger than the rest and the same for all its sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.checkpoints.families import BY_NAME, Family
from engine.checkpoints.identify.identity import Identity, Part
from engine.storage.file_version import Version, read_version
from engine.storage.regular_files import read_regular_file

T5, T5_TOKENIZER = "text_encoder_3", "tokenizer_3"
PUBLISHED_AS: Mapping[str, str] = {
    "text_encoder": "clip_l.safetensors", "text_encoder_2": "clip_g.safetensors",
    T5: "t5xxl_fp16.safetensors or t5xxl_fp8_e4m3fn.safetensors", "vae": "the whole folder of a Stable Diffusion 3",
}  # fmt: skip
"""Component -> the name of its file as it is published."""

_TOKENIZERS = ("tokenizer.json", "spiece.model")
_MOST_BYTES = 16 * 2**20
_CLUES = (b'"Unigram"', b'"<pad>"', b'"</s>"')
"""What T5's ``tokenizer.json`` contains and CLIP's does not."""


@dataclass(frozen=True)
class Found:
    """A file or folder that was identified, by its name in requests."""

    name: str
    path: Path
    identity: Identity


@dataclass(frozen=True)
class Companion:
    """A component from elsewhere: ``path`` is its file, or its folder in another checkpoint; ``hash`` that of the file or of
    that checkpoint."""

    name: str
    path: Path
    part: Part
    hash: str


def find_companions(entry: Found, family: Family, others: Iterable[Found]) -> dict[str, Companion]:
    """For each component that ``entry`` lacks and that may lie elsewhere, the best of ``others``: one in the same folder, else
    the largest, because small ones are rounded."""
    missing = sorted(family.separate - entry.identity.parts.keys())
    lenders = [other for other in others if other.path != entry.path and _may_lend(other)] if missing else []
    return {
        component: _lend(min(having, key=lambda lender: _distance(entry, lender, component)), component)
        for component in missing
        if (having := [lender for lender in lenders if component in lender.identity.parts])
    }


def _may_lend(other: Found) -> bool:
    """Whether it is a text encoder alone, or a folder of a family whose components may lie apart."""
    family = BY_NAME.get(other.identity.family)
    lends = other.identity.container == "folder" and family is not None and bool(family.separate)
    return lends or other.identity.kind == "text_encoder"


def _distance(entry: Found, lender: Found, component: str) -> tuple[bool, int, str]:
    return lender.path.parent != entry.path.parent, -lender.identity.parts[component].bytes, str(lender.path)


def _lend(lender: Found, component: str) -> Companion:
    path = lender.path / component if lender.identity.container == "folder" else lender.path
    return Companion(lender.name, path, lender.identity.parts[component], lender.identity.digest)


def find_t5_tokenizer(checkpoint: Path, is_folder: bool, companion: Companion | None) -> Path | None:
    """The file of T5's tokenizer: in the checkpoint's folder, or beside the file of T5 or of the checkpoint; None if there is
    none."""
    places = [companion.path.parent] if companion is not None else []
    places.append(checkpoint if is_folder else checkpoint.parent)
    candidates = (folder / sub / name for folder in places for sub in (T5_TOKENIZER, "") for name in _TOKENIZERS)
    return next((path for path in candidates if _is_t5_tokenizer(path)), None)


def _is_t5_tokenizer(path: Path) -> bool:
    try:
        return path.is_file() and (path.suffix != ".json" or _has_clues(path, read_version(path)))
    except OSError:
        return False


@lru_cache(maxsize=64)
def _has_clues(path: Path, _version: Version) -> bool:
    content = read_regular_file(path, _MOST_BYTES)
    return all(clue in content for clue in _CLUES)


def explain_missing(family: Family, there: Iterable[str], tokenizer: Path | None) -> Iterator[str]:
    """A sentence for each component that a checkpoint lacks and that may be put beside it. ``there`` are those that it has."""
    missing: Sequence[str] = sorted(family.separate - set(there))
    required = [PUBLISHED_AS[component] for component in missing if component not in family.optional]
    if required:
        yield f"To use this checkpoint, put {' and '.join(required)} beside it."
    if T5 in missing:
        yield f"The text encoder T5 is left out: for long sentences and legible lettering, put {PUBLISHED_AS[T5]} beside it."
    if T5 in family.separate and tokenizer is None:
        yield "T5 needs its tokenizer: put the tokenizer.json of the checkpoint's published folder “tokenizer_3” beside it."
