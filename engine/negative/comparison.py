"""One picture twice, with its negative prompt and without it: what each of the two is."""

from __future__ import annotations

import dataclasses

from engine.requests import Request, TextToImage

COMPANIONS = ("without the negative prompt", "with the negative prompt")
"""What the other picture is, for the first and for the second: so their records name each other."""


def pair(asked: Request) -> tuple[TextToImage, TextToImage]:
    """What text to image would be asked for the two pictures: with the negative prompt, and without."""
    return as_text_to_image(asked, asked.negative_prompt), as_text_to_image(asked, "")


def as_text_to_image(asked: Request, negative_prompt: str) -> TextToImage:
    """The same picture asked of text to image, with another negative prompt."""
    fields = {field.name: getattr(asked, field.name) for field in dataclasses.fields(TextToImage)}
    return TextToImage(**{**fields, "negative_prompt": negative_prompt})
