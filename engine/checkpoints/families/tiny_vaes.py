"""The families that tiny autoencoders (TAESD, github.com/madebyollin/taesd) are published for, and how names tell them.

Those for Stable Diffusion 1 and XL have the same names and shapes of tensors, and so have those for Stable Diffusion 3 and Flux.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

LATENTS: Mapping[str, str] = {
    "sd1": "Stable Diffusion 1 and 2", "xl": "Stable Diffusion XL", "sd3": "Stable Diffusion 3 and 3.5",
}  # fmt: skip
"""Whose latents a file decodes (:attr:`engine.checkpoints.families.LatentPreview.latents`) -> the families, in a sentence."""

_WORDS: Mapping[int, tuple[tuple[str, str], ...]] = {
    4: (("xl", "xl"), (r"taesd|sd-?_?v?[12]|stable-diffusion-v?[12]", "sd1")),
    16: (("taef|flux", ""), (r"sd-?_?3|stable-diffusion-3", "sd3")),
}
"""Latent channels -> what the name of a file or folder has, and whose latents those are; "" for families that Easel lacks."""

_UNNAMED: Mapping[int, str] = {4: "", 16: "sd3"}
"""Latent channels -> whose latents they are where no name tells; "" if that cannot be known."""

_ALIKE = ("sd1", "xl")


def find_latents(channels: int, names: Iterable[str]) -> str | None:
    """Whose latents have that many channels, a key of :data:`LATENTS`, by the first of ``names`` that tells; "" if none does,
    None if Easel has no such family."""
    if channels not in _WORDS:
        return None
    for name in names:
        told = next((latents for word, latents in _WORDS[channels] if re.search(word, name.lower())), None)
        if told is not None:
            return told or None
    return _UNNAMED[channels]


def find_alternatives(latents: str) -> tuple[str, ...]:
    """Whose latents a file could decode instead of ``latents``, itself included; empty if nothing else is possible."""
    return _ALIKE if latents in ("", *_ALIKE) else ()
