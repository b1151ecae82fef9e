"""The same image with its negative prompt and without it: the requests of both."""

from __future__ import annotations

import dataclasses

from engine.requests import ResolvedGeneration, ResolvedTextToImage

COMPANIONS = ("without the negative prompt", "with the negative prompt")
"""What the other image is, for the first and for the second: so their records name each other."""


def create_pair(request: ResolvedGeneration) -> tuple[ResolvedTextToImage, ResolvedTextToImage]:
    """What text to image would be asked for the two images: with the negative prompt, and without."""
    return as_text_to_image(request, request.negative_prompt), as_text_to_image(request, "")


def as_text_to_image(request: ResolvedGeneration, negative_prompt: str) -> ResolvedTextToImage:
    """The same image asked of text to image, with another negative prompt."""
    names = {field.name for field in dataclasses.fields(ResolvedTextToImage)} - {"negative_prompt"}
    same = {name: value for name, value in vars(request).items() if name in names}
    return ResolvedTextToImage(negative_prompt=negative_prompt, **same)
