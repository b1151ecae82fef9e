"""An endless supply of drawn scenes: from separate processes, so that the trainer never waits, or from its own process.

Each process draws scenes of its own seeds into a slot of shared memory and hands the slot over; the trainer gives it back when it
has taken the images. On a GPU many cores keep one busy; on two cores one draws and the other trains.
"""

from __future__ import annotations

import os
import queue
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.multiprocessing as multiprocessing
from transformers import CLIPTokenizer

from training.captions import SPARE_WORDS, caption
from training.grounding import part_map
from training.painting import render, thing_mask
from training.parts import SLOTS, rows
from training.scenes import Scene, random_scene
from training.tokenizer import MAX_LENGTH, load_tokenizer, token_ids

CHUNK = 32
WORDINGS = 4
"""Captions that are made of each scene: one is drawn each time it is trained on."""
STRANGE_WORD = 0.05
"""How often a meaningless word is inserted: the network learns to ignore it."""
SEEDS_A_DRAWER = 10_000_000
SLOTS_A_DRAWER = 4
PATIENCE = 5.0
"""Seconds between two looks whether the other side still lives."""


@dataclass
class Drawn:
    """A chunk of drawn scenes: uint8 images (CHUNK, side, side, 3), uint8 boxes of things (CHUNK, side, side), int32 token ids

    (CHUNK, WORDINGS, MAX_LENGTH), 0 without a tokenizer, and int64 seeds (CHUNK). What the padding is to say of them: int64 rows
    of looks (CHUNK, SLOTS), and as `part_map` has it the tokens of parts at the masks' side and at half of it; of side 0 without
    a tokenizer.
    """

    images: torch.Tensor
    masks: torch.Tensor
    ids: torch.Tensor
    seeds: torch.Tensor
    shown: torch.Tensor
    places: torch.Tensor
    coarse: torch.Tensor

    @classmethod
    def blank(cls, side: int, mask_side: int, *slots: int, told: bool = False) -> Drawn:
        """Zeros for one chunk or for `slots` of them; `told`: with captions."""
        places = mask_side if told else 0
        return cls(
            torch.zeros(*slots, CHUNK, side, side, 3, dtype=torch.uint8),
            torch.zeros(*slots, CHUNK, mask_side, mask_side, dtype=torch.uint8),
            torch.zeros(*slots, CHUNK, WORDINGS, MAX_LENGTH, dtype=torch.int32),
            torch.zeros(*slots, CHUNK, dtype=torch.int64),
            torch.zeros(*slots, CHUNK, SLOTS, dtype=torch.int64),
            torch.zeros(*slots, CHUNK, SLOTS, places, places, dtype=torch.uint8),
            torch.zeros(*slots, CHUNK, SLOTS, places // 2, places // 2, dtype=torch.uint8),
        )

    def parts(self) -> tuple[torch.Tensor, ...]:
        return self.images, self.masks, self.ids, self.seeds, self.shown, self.places, self.coarse

    def slot(self, number: int) -> Drawn:
        """One chunk of several, in the same memory."""
        return Drawn(*(part[number] for part in self.parts()))


class Source(Protocol):
    """What a trainer takes its scenes from."""

    def ready(self, at_most: int) -> Iterator[Drawn]:
        """The chunks that lie ready now, without waiting."""
        ...

    def next(self) -> Drawn:
        """The next chunk, however long it takes."""
        ...


def strange(words: str, rng: np.random.Generator) -> str:
    """The caption, sometimes with a meaningless word in it."""
    if rng.random() >= STRANGE_WORD:
        return words
    letters = "".join(chr(97 + int(letter)) for letter in rng.integers(0, 26, int(rng.integers(3, 8))))
    odd = letters if rng.random() < 0.6 else SPARE_WORDS[int(rng.integers(len(SPARE_WORDS)))]
    parts = words.split(" ")
    parts.insert(int(rng.integers(0, len(parts) + 1)), odd)
    return " ".join(parts)


def _wordings(scene: Scene) -> list[str]:
    rng = np.random.default_rng([scene.seed, 2])
    return [strange(caption(scene, rng), rng) for _ in range(WORDINGS)]


def draw(chunk: Drawn, first_seed: int, tokenizer: CLIPTokenizer | None) -> None:
    """Fills the chunk with the scenes of CHUNK seeds."""
    scenes = [random_scene(first_seed + place) for place in range(CHUNK)]
    side, mask_side = chunk.images.shape[1], chunk.masks.shape[1]
    for place, scene in enumerate(scenes):
        chunk.images[place] = torch.from_numpy(render(scene, side).copy())
        chunk.masks[place] = torch.from_numpy(thing_mask(scene, mask_side).astype(np.uint8))
    if tokenizer is not None:
        texts = [text for scene in scenes for text in _wordings(scene)]
        chunk.ids.copy_(token_ids(tokenizer, texts).view(CHUNK, WORDINGS, MAX_LENGTH))
        chunk.shown.copy_(torch.tensor([rows(scene) for scene in scenes]))
        for places in (chunk.places, chunk.coarse):
            places.copy_(torch.from_numpy(np.stack([part_map(scene, places.shape[-1]) for scene in scenes])))
    chunk.seeds.copy_(torch.arange(first_seed, first_seed + CHUNK))


def _load(folder: Path | None) -> CLIPTokenizer | None:
    return load_tokenizer(folder) if folder else None


class Supply:
    """Takes scenes from a source in step with their use, so that on few cores drawing does not starve the training."""

    def __init__(self, source: Source, reuse: int) -> None:
        """`reuse`: how often a scene is used before the next is taken, on the average."""
        self._source, self._reuse, self._taken = source, reuse, 0

    def due(self, used: int, at_most: int = 16) -> Iterator[Drawn]:
        """The chunks that lie ready, as many as `used` scenes in all allow."""
        wanted = -(-used // self._reuse) - self._taken
        for drawn in self._source.ready(min(at_most, -(-wanted // CHUNK))):
            self._taken += CHUNK
            yield drawn


class DrawsHere:
    """Draws in the trainer's own process, one chunk when one is asked for."""

    def __init__(self, side: int, mask_side: int, first_seed: int, tokenizer_folder: Path | None = None) -> None:
        self._side, self._mask_side, self._seed, self._tokenizer = side, mask_side, first_seed, _load(tokenizer_folder)

    def next(self) -> Drawn:
        chunk = Drawn.blank(self._side, self._mask_side, told=self._tokenizer is not None)
        draw(chunk, self._seed, self._tokenizer)
        self._seed += CHUNK
        return chunk

    def ready(self, at_most: int) -> Iterator[Drawn]:
        yield from (self.next() for _ in range(min(at_most, 1)))


def _work(rank: int, first_seed: int, tokenizer_folder: Path | None, slots: Drawn, free: Any, filled: Any) -> None:
    """A process's whole work. It ends when the one that started it is gone."""
    torch.set_num_threads(1)
    parent, seed, tokenizer = os.getppid(), first_seed + rank * SEEDS_A_DRAWER, _load(tokenizer_folder)
    while os.getppid() == parent:
        try:
            slot = free.get(timeout=PATIENCE)
        except queue.Empty:
            continue
        draw(slots.slot(slot), seed, tokenizer)
        seed += CHUNK
        filled.put(slot)


@contextmanager
def drawing(
    options: Namespace, rank: int, side: int, mask_side: int, first_seed: int, folder: Path | None = None
) -> Iterator[Source]:
    """What process `rank` of a training takes its scenes from: a single one has drawers, one of several draws its own."""
    if options.members > 1:
        yield DrawsHere(side, mask_side, first_seed + rank * SEEDS_A_DRAWER, folder)
        return
    with Drawers(options.drawers, side, mask_side, first_seed, folder) as drawers:
        yield drawers


class Drawers:
    """`count` processes that draw scenes from `first_seed` on at `side`; masks have `mask_side`. Use it in a `with` block."""

    def __init__(self, count: int, side: int, mask_side: int, first_seed: int, tokenizer_folder: Path | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._slots = Drawn.blank(side, mask_side, SLOTS_A_DRAWER * count, told=tokenizer_folder is not None)
        for part in self._slots.parts():
            part.share_memory_()
        self._free, self._filled = context.Queue(), context.Queue()
        for slot in range(SLOTS_A_DRAWER * count):
            self._free.put(slot)
        same = (first_seed, tokenizer_folder, self._slots, self._free, self._filled)
        self._processes = [context.Process(target=_work, args=(rank, *same), daemon=True) for rank in range(count)]

    def __enter__(self) -> Drawers:
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def ready(self, at_most: int) -> Iterator[Drawn]:
        for _ in range(at_most):
            try:
                slot = self._filled.get_nowait()
            except queue.Empty:
                return
            yield self._take(slot)

    def next(self) -> Drawn:
        """As in Source; RuntimeError if a drawing process has ended."""
        while True:
            try:
                return self._take(self._filled.get(timeout=PATIENCE))
            except queue.Empty:
                if not all(process.is_alive() for process in self._processes):
                    raise RuntimeError("A process that draws scenes has ended; its error is printed above.") from None

    def _take(self, slot: int) -> Drawn:
        taken = Drawn(*(part.clone() for part in self._slots.slot(slot).parts()))
        self._free.put(slot)
        return taken
