"""Textual inversion embeddings (Gal et al. 2022, arXiv 2208.01618): new words with learned vectors in the vocabulary."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.identify.adapter_names import BUNDLED
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.leftovers import count_names
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.errors import CheckpointError

ENCODERS: Mapping[str, str] = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
"""Text encoder -> the name of its matrix in files for XL."""


@dataclass(frozen=True)
class LearnedWord:
    """The learned tensors of one word, by name; ``name`` is the file's, for sentences."""

    name: str
    matrices: Mapping[str, torch.Tensor]

    def find(self, key: str, width: int) -> str:
        """The name of the vectors for one text encoder: ``key`` in files for XL, else that of the only ones.

        Raises CheckpointError if they were learned for another width.
        """
        wide = {name: matrix for name, matrix in self.matrices.items() if matrix.dim() in (1, 2)}
        name = key if key in wide else next((n for n, matrix in wide.items() if matrix.shape[-1] == width), "")
        if not name or wide[name].shape[-1] != width:
            found = next((matrix.shape[-1] for matrix in wide.values()), 0)
            raise CheckpointError(
                f"“{self.name}” was made for another family: its words are {found} wide, and this checkpoint's {width}. "
                "Leave it out."
            )
        return name

    def vectors(self, key: str, width: int) -> torch.Tensor:
        """The learned vectors for one text encoder, one per row. Raises as :meth:`find` does."""
        found = self.matrices[self.find(key, width)]
        return found if found.dim() == 2 else found[None]


def read_embedding(embedding: CheckpointEntry) -> LearnedWord:
    """The word in a file. Raises CheckpointError if its tensors cannot be read."""
    store = TensorStore([embedding.path])
    return LearnedWord(embedding.name, _read(store, {name: name for name in store.names()}))


def read_bundled(lora: CheckpointEntry) -> dict[str, LearnedWord]:
    """The words that OneTrainer stored in a LoRA's file: ``bundle_emb.WORD.clip_l``, ``bundle_emb.WORD.string_to_param.*``."""
    store = TensorStore([lora.path])
    names: dict[str, dict[str, str]] = {}
    for name in store.names():
        word, _, rest = name.removeprefix(BUNDLED).partition(".")
        if name.startswith(BUNDLED) and rest:
            names.setdefault(word, {})[rest] = name
    return {word: LearnedWord(lora.name, _read(store, found)) for word, found in names.items()}


def _read(store: TensorStore, names: Mapping[str, str]) -> dict[str, torch.Tensor]:
    return {short: store.read(name).clone() for short, name in names.items()}


@contextlib.contextmanager
def add_words(words: Mapping[str, LearnedWord], loaded: LoadedCheckpoint) -> Generator[LoadedCheckpoint]:
    """``loaded`` with ``words`` added to its vocabulary within the block, and with notices about tensors of theirs that are not
    used. Raises CheckpointError for a word that does not fit."""
    encoders = {"text_encoder": loaded.text_encoder, "text_encoder_2": loaded.text_encoder_2}
    tokenizers = {"text_encoder": loaded.tokenizer, "text_encoder_2": loaded.tokenizer_2}
    learned: dict[str, tuple[tuple[str, int], ...]] = {}
    taken: dict[str, set[str]] = {name: set() for name in words}
    with contextlib.ExitStack() as stack:
        for component, encoder in encoders.items():
            tokenizer = tokenizers[component]
            if encoder is not None and tokenizer is not None:
                key, width = ENCODERS[component], _width(encoder)
                vectors = {name: word.vectors(key, width) for name, word in words.items()}
                for name, word in words.items():
                    taken[name].add(word.find(key, width))
                stack.enter_context(_extend_vocabulary(encoder, len(tokenizer), vectors.values()))
                learned[component] = tuple((name, len(rows)) for name, rows in vectors.items())
        unused = (count_names(word.matrices, taken[name]).explain(word.name) for name, word in words.items())
        yield dataclasses.replace(loaded, learned=learned, notices=(*loaded.notices, *filter(None, unused)))


def _width(encoder: PreTrainedModel) -> int:
    return _table(encoder).embedding_dim


def _table(encoder: PreTrainedModel) -> nn.Embedding:
    table = encoder.get_input_embeddings()
    if not isinstance(table, nn.Embedding):
        raise CheckpointError("This kind of checkpoint cannot use embeddings: leave them out, or choose another one.")
    return table


@contextlib.contextmanager
def _extend_vocabulary(encoder: PreTrainedModel, vocabulary: int, vectors: Iterable[torch.Tensor]) -> Generator[None]:
    """The encoder's table with ``vectors`` after the rows of its vocabulary; the table is put back as the same object."""
    table = _table(encoder)
    whole = torch.cat([table.weight[:vocabulary], torch.cat(list(vectors)).to(table.weight)])
    encoder.set_input_embeddings(nn.Embedding.from_pretrained(whole))
    try:
        yield
    finally:
        encoder.set_input_embeddings(table)
