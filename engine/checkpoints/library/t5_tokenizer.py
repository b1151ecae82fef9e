"""Where the tokenizer of the text encoder T5 lies, which no weights file holds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from engine.storage.file_version import Version, read_version
from engine.storage.regular_files import read_regular_file

T5, T5_TOKENIZER = "text_encoder_3", "tokenizer_3"

_NAMES = ("tokenizer.json", "spiece.model")
_MOST_BYTES = 16 * 2**20
_CLUES = (b'"Unigram"', b'"<pad>"', b'"</s>"')
"""What T5's ``tokenizer.json`` contains and CLIP's does not."""


def find_t5_tokenizer(folders: Iterable[Path]) -> Path | None:
    """The file of T5's tokenizer in the first of ``folders`` that has one, or in its sub-folder ``tokenizer_3``; else None."""
    candidates = (folder / sub / name for folder in folders for sub in (T5_TOKENIZER, "") for name in _NAMES)
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
