"""The same image with its negative prompt and without it: the requests of both."""

from __future__ import annotations

import dataclasses

from engine.requests import ResolvedGeneration, ResolvedTextToImage

COMPANIONS = ("without the negative prompt", "with the negative prompt")
"""How each image's record names the other one."""


def create_pair(request: ResolvedGeneration) -> tuple[ResolvedTextToImage, ResolvedTextToImage]:
    """The text-to-image requests of the two images: with the negative prompt, and without."""
    return as_text_to_image(request, request.negative_prompt), as_text_to_image(request, "")


def as_text_to_image(request: ResolvedGeneration, negative_prompt: str) -> ResolvedTextToImage:
    """The text-to-image request of the same image, with another negative prompt."""
    template = request.negative_template if negative_prompt == request.negative_prompt else ""
    names = {field.name for field in dataclasses.fields(ResolvedTextToImage)} - {"negative_prompt", "negative_template"}
    same = {name: value for name, value in vars(request).items() if name in names}
    return ResolvedTextToImage(negative_prompt=negative_prompt, negative_template=template, **same)
