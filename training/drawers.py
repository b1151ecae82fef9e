"""An endless supply of drawn scenes, from separate processes, so that training need not wait, or from the trainer's own process.

Each process draws the scenes of its own seeds into a slot of shared memory and queues the slot; the trainer returns it when it
has copied the images. A GPU is supplied by many cores; on two cores one draws and the other trains.
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

from training.captions import SPARE_WORDS, write_caption
from training.grounding import map_parts
from training.painting import create_thing_mask, render
from training.parts import SLOTS, find_rows
from training.scenes import Scene, create_scene
from training.tokenizer import MAX_LENGTH, load_tokenizer, tokenize

CHUNK = 32
WORDINGS = 4
"""Captions per scene; a random one is used each time that the scene is trained on."""
STRANGE_WORD = 0.05
"""The probability that a meaningless word is inserted, so that the network learns to ignore such words."""
SEEDS_A_DRAWER = 10_000_000
SLOTS_A_DRAWER = 4
POLL_INTERVAL = 5.0
"""Seconds between checks that the other process is alive."""


@dataclass
class SceneChunk:
    """CHUNK drawn scenes.

    uint8 images (CHUNK, side, side, 3); uint8 masks of things (CHUNK, side, side); int32 token ids (CHUNK, WORDINGS, MAX_LENGTH),
    0 without a tokenizer; int64 seeds (CHUNK). For the losses of padding and attention: int64 rows of looks (CHUNK, SLOTS), and
    the tokens of parts (see `map_parts`) at the masks' side and at half of it, of side 0 without a tokenizer.
    """

    images: torch.Tensor
    masks: torch.Tensor
    ids: torch.Tensor
    seeds: torch.Tensor
    shown: torch.Tensor
    places: torch.Tensor
    coarse: torch.Tensor

    @classmethod
    def blank(cls, side: int, mask_side: int, *slots: int, captioned: bool = False) -> SceneChunk:
        """Zeros for one chunk, or for `slots` of them; `captioned`: with token ids and parts."""
        places = mask_side if captioned else 0
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

    def slot(self, number: int) -> SceneChunk:
        """One chunk of several, a view of the same memory."""
        return SceneChunk(*(part[number] for part in self.parts()))


class Source(Protocol):
    """Where a trainer gets its scenes."""

    def take_ready(self, at_most: int) -> Iterator[SceneChunk]:
        """The chunks that are ready now; does not wait."""
        ...

    def next(self) -> SceneChunk:
        """The next chunk; waits for it."""
        ...


def insert_strange_word(words: str, rng: np.random.Generator) -> str:
    """The caption, sometimes with a meaningless word inserted."""
    if rng.random() >= STRANGE_WORD:
        return words
    letters = "".join(chr(97 + int(letter)) for letter in rng.integers(0, 26, int(rng.integers(3, 8))))
    odd = letters if rng.random() < 0.6 else SPARE_WORDS[int(rng.integers(len(SPARE_WORDS)))]
    parts = words.split(" ")
    parts.insert(int(rng.integers(0, len(parts) + 1)), odd)
    return " ".join(parts)


def _write_captions(scene: Scene) -> list[str]:
    rng = np.random.default_rng([scene.seed, 2])
    return [insert_strange_word(write_caption(scene, rng), rng) for _ in range(WORDINGS)]


def draw(chunk: SceneChunk, first_seed: int, tokenizer: CLIPTokenizer | None) -> None:
    """Draws the scenes of CHUNK consecutive seeds into the chunk."""
    scenes = [create_scene(first_seed + place) for place in range(CHUNK)]
    side, mask_side = chunk.images.shape[1], chunk.masks.shape[1]
    for place, scene in enumerate(scenes):
        chunk.images[place] = torch.from_numpy(render(scene, side).copy())
        chunk.masks[place] = torch.from_numpy(create_thing_mask(scene, mask_side).astype(np.uint8))
    if tokenizer is not None:
        texts = [text for scene in scenes for text in _write_captions(scene)]
        chunk.ids.copy_(tokenize(tokenizer, texts).view(CHUNK, WORDINGS, MAX_LENGTH))
        chunk.shown.copy_(torch.tensor([find_rows(scene) for scene in scenes]))
        for places in (chunk.places, chunk.coarse):
            places.copy_(torch.from_numpy(np.stack([map_parts(scene, places.shape[-1]) for scene in scenes])))
    chunk.seeds.copy_(torch.arange(first_seed, first_seed + CHUNK))


def _load(folder: Path | None) -> CLIPTokenizer | None:
    return load_tokenizer(folder) if folder else None


class Supply:
    """Takes scenes from a source at the rate at which they are used, so that on few cores drawing does not slow the training."""

    def __init__(self, source: Source, reuse: int) -> None:
        """`reuse`: how often a scene is used on average before a new one is taken."""
        self._source, self._reuse, self._taken = source, reuse, 0

    def take_due(self, used: int, at_most: int = 16) -> Iterator[SceneChunk]:
        """The chunks that are ready, at most as many as `used` scenes in total allow."""
        wanted = -(-used // self._reuse) - self._taken
        for drawn in self._source.take_ready(min(at_most, -(-wanted // CHUNK))):
            self._taken += CHUNK
            yield drawn


class InProcessDrawer:
    """Draws in the trainer's own process, one chunk per request."""

    def __init__(self, side: int, mask_side: int, first_seed: int, tokenizer_folder: Path | None = None) -> None:
        self._side, self._mask_side, self._seed, self._tokenizer = side, mask_side, first_seed, _load(tokenizer_folder)

    def next(self) -> SceneChunk:
        chunk = SceneChunk.blank(self._side, self._mask_side, captioned=self._tokenizer is not None)
        draw(chunk, self._seed, self._tokenizer)
        self._seed += CHUNK
        return chunk

    def take_ready(self, at_most: int) -> Iterator[SceneChunk]:
        yield from (self.next() for _ in range(min(at_most, 1)))


def _work(rank: int, first_seed: int, tokenizer_folder: Path | None, slots: SceneChunk, free: Any, filled: Any) -> None:
    """The work of one drawing process, which ends when its parent process has ended."""
    torch.set_num_threads(1)
    parent, seed, tokenizer = os.getppid(), first_seed + rank * SEEDS_A_DRAWER, _load(tokenizer_folder)
    while os.getppid() == parent:
        try:
            slot = free.get(timeout=POLL_INTERVAL)
        except queue.Empty:
            continue
        draw(slots.slot(slot), seed, tokenizer)
        seed += CHUNK
        filled.put(slot)


@contextmanager
def open_source(
    options: Namespace, rank: int, side: int, mask_side: int, first_seed: int, folder: Path | None = None
) -> Iterator[Source]:
    """The source of scenes for process `rank`: separate drawers if it is the only one, else the process draws its own."""
    if options.members > 1:
        yield InProcessDrawer(side, mask_side, first_seed + rank * SEEDS_A_DRAWER, folder)
        return
    with Drawers(options.drawers, side, mask_side, first_seed, folder) as drawers:
        yield drawers


class Drawers:
    """`count` processes that draw scenes of `side` pixels from `first_seed` on, with masks of `mask_side`. A context manager."""

    def __init__(self, count: int, side: int, mask_side: int, first_seed: int, tokenizer_folder: Path | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._slots = SceneChunk.blank(side, mask_side, SLOTS_A_DRAWER * count, captioned=tokenizer_folder is not None)
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

    def take_ready(self, at_most: int) -> Iterator[SceneChunk]:
        for _ in range(at_most):
            try:
                slot = self._filled.get_nowait()
            except queue.Empty:
                return
            yield self._take(slot)

    def next(self) -> SceneChunk:
        """As in Source; raises RuntimeError if a drawing process has ended."""
        while True:
            try:
                return self._take(self._filled.get(timeout=POLL_INTERVAL))
            except queue.Empty:
                if not all(process.is_alive() for process in self._processes):
                    raise RuntimeError("A process that draws scenes has ended; its error is printed above.") from None

    def _take(self, slot: int) -> SceneChunk:
        taken = SceneChunk(*(part.clone() for part in self._slots.slot(slot).parts()))
        self._free.put(slot)
        return taken
