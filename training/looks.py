"""What each thing looks like, as the first value of its word in the text encoder.

A text encoder that starts from noise has to find out image by image that a fox and a wolf are alike. Here a word starts as
the principal components of the images of the things that it names (as Turk & Pentland 1991 do with faces): alike are near from
the first step on, and the UNet learns one rule from components to images instead of hundreds of images by heart. All of it
is trained on.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from PIL import Image

from training.drawing.things import THINGS, plural, thing_tile

SIDE = 24
"""Side in pixels at which looks are compared."""
SHARE = 0.75
"""How much of a word's embedding describes its look; the rest starts as noise and learns everything else."""


def _pixels(name: str) -> np.ndarray:
    """The thing on grey and its outline, in a square: float32 (4 * SIDE * SIDE)."""
    tile = thing_tile(name, None)
    side = max(tile.size)
    square = Image.new("RGBA", (side, side), (128, 128, 128, 0))
    square.alpha_composite(tile, ((square.width - tile.width) // 2, square.height - tile.height))
    small = np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255
    shown = small[..., :3] * small[..., 3:] + 0.5 * (1 - small[..., 3:])
    return np.concatenate([shown, small[..., 3:]], 2).ravel()


def components(width: int) -> dict[str, np.ndarray]:
    """For each thing `width` numbers of deviation 1 that describe its look; small differences are amplified."""
    pixels = np.stack([_pixels(thing.name) for thing in THINGS])
    left, strengths, _ = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)
    told = (left * np.sqrt(strengths))[:, :width]
    told = np.pad(told, ((0, 0), (0, width - told.shape[1])))
    return dict(zip((thing.name for thing in THINGS), told / told.std(1, keepdims=True), strict=True))


def looks(width: int) -> dict[str, np.ndarray]:
    """For each word that names a thing or is a part of its name: the look of that thing, or the mean look of all such."""
    found = components(width)
    whole: dict[str, list[np.ndarray]] = defaultdict(list)
    parts: dict[str, list[np.ndarray]] = defaultdict(list)
    for thing in THINGS:
        for name in dict.fromkeys(form for word in thing.words for form in (word, plural(word))):
            words = name.split()
            for word in words:
                (whole if len(words) == 1 else parts)[word].append(found[thing.name])
    return {word: np.mean(rows, 0) for word, rows in {**parts, **whole}.items()}


@torch.no_grad()
def give_looks(text_encoder: Any, tokenizer: Any) -> int:
    """Sets the words' vectors, and returns for how many."""
    weight = text_encoder.get_input_embeddings().weight
    width = int(SHARE * weight.shape[1])
    rows = looks(width)
    for word, look in rows.items():
        (token,) = tokenizer(word, add_special_tokens=False).input_ids
        weight[token, :width] = torch.from_numpy(look.astype(np.float32))
    return len(rows)
