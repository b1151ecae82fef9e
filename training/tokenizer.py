"""The starter's small tokenizer: byte-pair merges are learnt until each word of the vocabulary is one token, `word</w>`.

Other words become several tokens; a character that is no letter, digit or known punctuation becomes `<|unk|>`.
"""

from __future__ import annotations

import json
import string
from collections import Counter
from itertools import pairwise
from pathlib import Path

import torch
from transformers import CLIPTokenizer

from training.captions import list_words

MAX_LENGTH = 40
"""Tokens of a caption, including start and end."""
FOLDER = "tokenizer"
"""The tokenizer's folder inside a run's folder."""
START, END, UNKNOWN = "<|startoftext|>", "<|endoftext|>", "<|unk|>"
MARKS = tuple(",.!?-:;'()\"&")
SUFFIX = "</w>"


def _split(word: str) -> tuple[str, ...]:
    return (*word[:-1], word[-1] + SUFFIX)


def _join(pieces: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich et al. 2016), continued until each word is one token."""
    splits, merges = [_split(word) for word in words], []
    while any(len(pieces) > 1 for pieces in splits):
        counts = Counter(pair for pieces in splits for pair in pairwise(pieces))
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(pair)
        splits = [_join(pieces, pair) for pieces in splits]
    return merges


def write_tokenizer(folder: Path) -> None:
    """Writes vocab.json, merges.txt and the configurations that CLIPTokenizer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = learn_merges([word for word in list_words() if len(word) > 1])
    letters = [*string.ascii_lowercase, *string.digits, *MARKS]
    pieces = letters + [letter + SUFFIX for letter in letters] + ["".join(pair) for pair in merges]
    vocabulary = {piece: number for number, piece in enumerate([START, END, UNKNOWN, *dict.fromkeys(pieces)])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, indent=0), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": UNKNOWN}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": MAX_LENGTH, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def prepare_tokenizer(run: Path) -> CLIPTokenizer:
    """The tokenizer of a run, written on first use; each word of the vocabulary is one token."""
    folder = run / FOLDER
    if not (folder / "tokenizer_config.json").exists():
        write_tokenizer(folder)
    return load_tokenizer(folder)


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Token ids, int64 (n, MAX_LENGTH), padded as in the pipeline."""
    return tokenizer(texts, padding="max_length", max_length=MAX_LENGTH, truncation=True, return_tensors="pt").input_ids
