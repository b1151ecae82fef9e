"""CLIP's byte-pair tokenizer, from a checkpoint's tokenizer folder or from a loaded pipeline. No torch.

The rules (lower case, the splitting pattern, ``</w>`` at the end of a word) are those of Radford et al. 2021, arXiv 2103.00020,
as transformers' CLIPTokenizer applies them; a test compares the two.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from engine.errors import CheckpointError
from engine.storage.file_version import Version, read_version
from engine.storage.regular_files import check_folder

WORD_END = "</w>"
"""The mark of a word's last piece in the vocabulary."""

USUAL_LENGTH = 77
"""Tokens that CLIP reads at once, start and end included."""

_SPLIT = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_MOST_BYTES = 64 * 2**20
"""Of one file in a tokenizer's folder."""

_FILES = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_START, _END = "<|startoftext|>", "<|endoftext|>"
_SPECIAL = {"bos_token": _START, "eos_token": _END, "pad_token": _END, "unk_token": _END}


LearnedWords = tuple[tuple[str, int], ...]
"""Words of textual inversions, and how many vectors each has."""


@dataclass(frozen=True)
class Piece:
    """One vocabulary entry: its number, its text, the characters it was read from, and which word it belongs to."""

    id: int
    text: str
    start: int
    end: int
    word: int


@dataclass(frozen=True)
class PromptTokenizer:
    """Text to vocabulary entries. ``max_length`` counts the start and end tokens; ids are entries of the vocabulary.

    ``learned`` are textual-inversion words and how many vectors each has. Their entries come after the vocabulary's own, in this
    order; the vocabulary is left as it is, so that a word that it holds too, or holds pieces of, is the learned one.
    """

    backend: Tokenizer = field(repr=False)
    start_id: int
    end_id: int
    pad_id: int
    unknown_id: int
    max_length: int
    learned: LearnedWords = ()

    @property
    def size(self) -> int:
        """How many entries the vocabulary has, learned words included."""
        return self.backend.get_vocab_size() + sum(vectors for _, vectors in self.learned)

    @cached_property
    def comma_id(self) -> int | None:
        """The entry of a comma, if there is one."""
        return self.backend.token_to_id("," + WORD_END)

    @cached_property
    def embeddings(self) -> dict[int, tuple[int, ...]]:
        """Textual-inversion embeddings: the first entry of each word, and the entries of all its vectors.

        Beside :attr:`learned` these are words that the tokenizer's own files add. There the second vector of ``name`` is
        ``name_1``, the third ``name_2``: diffusers' convention.
        """
        added = {token.content: id for id, token in self.backend.get_added_tokens_decoder().items() if not token.special}
        return {id: tuple(_vectors(name, added)) for name, id in added.items()} | {ids[0]: ids for ids in self._ids.values()}

    @cached_property
    def _ids(self) -> dict[str, tuple[int, ...]]:
        """Learned word, composed and in lower case -> the entries of its vectors."""
        found: dict[str, tuple[int, ...]] = {}
        start = self.backend.get_vocab_size()
        for name, vectors in self.learned:
            found.setdefault(_compose(name).lower(), tuple(range(start, start + vectors)))
            start += vectors
        return found

    @cached_property
    def _learned_words(self) -> re.Pattern[str] | None:
        return find_words([name for name, _ in self.learned]) if self.learned else None

    def pieces(self, text: str) -> list[Piece]:
        """The entries that ``text`` is read as, without start, end and padding. An embedding's name gives one piece."""
        found: list[Piece] = []
        at = 0
        for match in self._learned_words.finditer(text) if self._learned_words else ():
            found += self._plain_pieces(text[at : match.start()], at, found)
            word = found[-1].word + 1 if found else 0
            found.append(Piece(self._find_ids(match["name"])[0], match["name"], match.start(), match.end(), word))
            at = match.end()
        return [*found, *self._plain_pieces(text[at:], at, found)]

    def _find_ids(self, written: str) -> tuple[int, ...]:
        """The entries of a learned word in the spelling of a prompt, in which letters such as ſ and s are equal."""
        composed = _compose(written)
        if composed.lower() in self._ids:
            return self._ids[composed.lower()]
        names = (_compose(name) for name, _ in self.learned)
        return self._ids[next(name for name in names if re.fullmatch(re.escape(name), composed, re.IGNORECASE)).lower()]

    def _plain_pieces(self, text: str, offset: int, before_it: list[Piece]) -> list[Piece]:
        """The pieces of ``text``, which begins at character ``offset``; its words are counted from those ``before_it`` on."""
        self.backend.no_truncation()
        self.backend.no_padding()
        encoding = self.backend.encode(text, add_special_tokens=False)
        found, word, before = [], before_it[-1].word if before_it else -1, None
        rows = zip(encoding.ids, encoding.tokens, encoding.offsets, encoding.word_ids, strict=True)
        for id, entry, (start, end), word_id in rows:
            ended = not found or found[-1].text.endswith(WORD_END) or {id, found[-1].id} & self.embeddings.keys()
            word += bool(ended or word_id != before)
            before = word_id
            found.append(Piece(id, entry, offset + start, offset + end, word))
        return found


def _vectors(name: str, added: dict[str, int]) -> Iterator[int]:
    entry, index = name, 0
    while entry in added:
        yield added[entry]
        index += 1
        entry = f"{name}_{index}"


_COMFYUI_PREFIX = r"(?P<comfyui>embedding:(?:[^\s,:()\[\]/\\]+[/\\])*)"
_COMFYUI_EXTENSION = r"\.(?:safetensors|pt|bin)(?!\w)"


def find_words(names: Iterable[str]) -> re.Pattern[str]:
    """Matches each of ``names`` as a whole word, the longest first, in any case; also as ComfyUI writes it, ``embedding:name``,
    where a folder may stand before the name and the file's extension after it.

    The group ``name`` is the word alone. Letters with accents count as equal whether they are one character or two, as in names
    of files on a Mac.
    """
    spelled = {unicodedata.normalize(form, name) for name in names for form in ("NFC", "NFD")}
    choice = "|".join(map(re.escape, sorted(spelled, key=len, reverse=True)))
    word = rf"{_COMFYUI_PREFIX}?(?P<name>{choice})(?(comfyui)(?:{_COMFYUI_EXTENSION})?)"
    return re.compile(rf"(?<!\w)(?<!\w-){word}(?![\w\u0300-\u036f])(?!-\w)", re.IGNORECASE)


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def wrap_tokenizer(tokenizer: Any, learned: LearnedWords = ()) -> PromptTokenizer:
    """The tokenizer of a loaded pipeline (a transformers CLIPTokenizer). It is shared, not copied."""
    return PromptTokenizer(
        backend=tokenizer.backend_tokenizer,
        start_id=tokenizer.bos_token_id,
        end_id=tokenizer.eos_token_id,
        pad_id=tokenizer.pad_token_id,
        unknown_id=tokenizer.unk_token_id,
        max_length=_limit_length(tokenizer.model_max_length),
        learned=learned,
    )


def load_tokenizer(folder: Path, *, pad_token: str | None = None, embeddings: LearnedWords = ()) -> PromptTokenizer:
    """The tokenizer in ``folder``, kept until one of its files changes.

    ``pad_token`` overrides the folder's own (XL's second tokenizer differs from the first only by ``"!"``). ``embeddings`` are
    textual-inversion names and how many vectors each has. Raises CheckpointError if the folder holds no readable tokenizer.
    """
    versions = tuple(read_version(path) if (path := folder / name).exists() else None for name in _FILES)
    try:
        return _load(folder, versions, pad_token, embeddings)
    except CheckpointError:
        raise
    except Exception as error:  # tokenizers raises bare Exception for any error in a file
        raise CheckpointError(
            f"The tokenizer in {folder} cannot be read ({error}). Fetch the checkpoint again, or choose another one."
        ) from error


@lru_cache(maxsize=8)
def _load(
    folder: Path, _versions: tuple[Version | None, ...], pad_token: str | None, embeddings: LearnedWords
) -> PromptTokenizer:
    check_folder(folder, _MOST_BYTES)
    settings = _read_settings(folder)
    special = {name: pad_token if name == "pad_token" and pad_token else _read_content(settings[name]) for name in _SPECIAL}
    backend = _build_backend(folder, special["unk_token"])
    backend.add_special_tokens([special["bos_token"], special["eos_token"]])
    start, end, pad, unknown = (backend.token_to_id(special[name]) for name in _SPECIAL)
    if start is None or end is None:
        raise CheckpointError(f"The tokenizer in {folder} has no start or end token. Choose another checkpoint.")
    return PromptTokenizer(
        backend=backend,
        start_id=start,
        end_id=end,
        pad_id=end if pad is None else pad,
        unknown_id=end if unknown is None else unknown,
        max_length=_limit_length(settings.get("model_max_length", USUAL_LENGTH)),
        learned=embeddings,
    )


def _build_backend(folder: Path, unknown: str) -> Tokenizer:
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    if not (vocabulary.exists() and merges.exists()):
        if not (folder / "tokenizer.json").exists():
            raise CheckpointError(f"There is no tokenizer in {folder}: vocab.json and merges.txt are missing.")
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend = Tokenizer(
        models.BPE.from_file(str(vocabulary), str(merges), end_of_word_suffix=WORD_END, unk_token=unknown, fuse_unk=False)
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return backend


def _read_settings(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = dict(_SPECIAL)
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).exists():
            settings |= json.loads((folder / name).read_text(encoding="utf-8"))
    return settings


def _read_content(token: Any) -> str:
    """Special tokens are written as text or as an object with the text in it."""
    return token["content"] if isinstance(token, dict) else str(token)


def _limit_length(length: int) -> int:
    """Folders without a length say 1e30."""
    return length if 2 < length <= 1024 else USUAL_LENGTH
