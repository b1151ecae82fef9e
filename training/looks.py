"""The looks of things as initial word embeddings of the text encoder.

With random initial embeddings the text encoder has to learn from images that a fox and a wolf look alike. Here the embedding of a
word starts as the principal components of the images of the things that it names, as in eigenfaces (Turk & Pentland 1991): things
that look alike are close from the first step, and the UNet learns one mapping from components to images instead of memorising
hundreds of images. The embeddings are trained like all other weights.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from PIL import Image

from training.drawing.things import THINGS, draw_thing, pluralise

SIDE = 24
"""Side in pixels at which things are compared."""
SHARE = 0.75
"""The share of a word's embedding that is initialised from its look; the rest is random."""


def _rasterise(name: str) -> np.ndarray:
    """The thing on grey and its alpha, in a square: float32 (4 * SIDE * SIDE)."""
    tile = draw_thing(name, None)
    side = max(tile.size)
    square = Image.new("RGBA", (side, side), (128, 128, 128, 0))
    square.alpha_composite(tile, ((square.width - tile.width) // 2, square.height - tile.height))
    small = np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255
    shown = small[..., :3] * small[..., 3:] + 0.5 * (1 - small[..., 3:])
    return np.concatenate([shown, small[..., 3:]], 2).ravel()


def compute_components(width: int) -> dict[str, np.ndarray]:
    """Thing -> `width` components of its look, with a standard deviation of 1; small differences are amplified."""
    pixels = np.stack([_rasterise(thing.name) for thing in THINGS])
    left, strengths, _ = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)
    told = (left * np.sqrt(strengths))[:, :width]
    told = np.pad(told, ((0, 0), (0, width - told.shape[1])))
    return dict(zip((thing.name for thing in THINGS), told / told.std(1, keepdims=True), strict=True))


def compute_looks(width: int) -> dict[str, np.ndarray]:
    """Word -> the look of the thing that it names, or the mean look of all things whose names contain it."""
    found = compute_components(width)
    whole: dict[str, list[np.ndarray]] = defaultdict(list)
    parts: dict[str, list[np.ndarray]] = defaultdict(list)
    for thing in THINGS:
        for name in dict.fromkeys(form for word in thing.words for form in (word, pluralise(word))):
            words = name.split()
            for word in words:
                (whole if len(words) == 1 else parts)[word].append(found[thing.name])
    return {word: np.mean(rows, 0) for word, rows in {**parts, **whole}.items()}


@torch.no_grad()
def set_looks(text_encoder: Any, tokenizer: Any) -> int:
    """Initialises the word embeddings, and returns the number of words."""
    weight = text_encoder.get_input_embeddings().weight
    width = int(SHARE * weight.shape[1])
    rows = compute_looks(width)
    for word, look in rows.items():
        (token,) = tokenizer(word, add_special_tokens=False).input_ids
        weight[token, :width] = torch.from_numpy(look.astype(np.float32))
    return len(rows)
