"""The prompts of a request whose texts are templates: drawn by the seed of each image. No torch."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from engine.prompt.variants import WildcardValues, draw, escape, has_variants
from engine.requests import KINDS, Request, kind_of
from engine.seeds import draw_seed

R = TypeVar("R", bound=Request)


def draw_prompts(request: R, wildcards: WildcardValues) -> R:
    """``request`` with the prompts of its first image, and with a seed if they are drawn by one.

    Raises RequestError, a sentence, for a wildcard that is missing, empty or leads to itself.
    """
    pairs = ((request.prompt, request.prompt_template), (request.negative_prompt, request.negative_template))
    if request.seed is None and any(template is None and has_variants(text) for text, template in pairs):
        request = dataclasses.replace(request, seed=draw_seed())
    (prompt, prompt_template), (negative, negative_template) = (
        _draw_first(text, template, request.seed or 0, wildcards, stream)
        for stream, (text, template) in zip("pn", pairs, strict=True)
    )
    return dataclasses.replace(
        request, prompt=prompt, prompt_template=prompt_template, negative_prompt=negative, negative_template=negative_template
    )


def draw_again(request: R, drawn_by: int, wildcards: WildcardValues) -> R:
    """``request``, whose prompts were drawn by the seed ``drawn_by``, with those that its own draws from the same templates.

    Where both are the same the prompts stay, whatever the wildcards hold now.
    """
    if request.seed == drawn_by:
        return request
    prompt, negative = request.prompt_template, request.negative_template
    return dataclasses.replace(
        request,
        prompt=draw(prompt, request.seed or 0, wildcards, "p") if prompt else request.prompt,
        negative_prompt=draw(negative, request.seed or 0, wildcards, "n") if negative else request.negative_prompt,
    )


def restore_templates(request: Request) -> Request:
    """``request`` as it was asked: with the templates of its prompts, or texts from which exactly these prompts are drawn."""
    kind = KINDS[kind_of(request)]
    values = {field.name: vars(request)[field.name] for field in dataclasses.fields(kind)}
    prompt, negative_prompt = write_prompts(request)
    return dataclasses.replace(
        kind(**values), prompt=request.prompt_template or prompt, negative_prompt=request.negative_template or negative_prompt,
        prompt_template=None, negative_template=None,
    )  # fmt: skip


def write_prompts(request: Request) -> tuple[str, str]:
    """The texts that ask for both prompts of ``request`` in a form: templates as they are, drawn ones with signs escaped."""
    return (
        request.prompt if request.prompt_template is None else escape(request.prompt),
        request.negative_prompt if request.negative_template is None else escape(request.negative_prompt),
    )


def _draw_first(text: str, template: str | None, seed: int, wildcards: WildcardValues, stream: str) -> tuple[str, str]:
    """The prompt for a seed, and its template where that says more."""
    if template is not None:
        return text, template
    drawn = draw(text, seed, wildcards, stream)
    return drawn, text if drawn != text and has_variants(text) else ""
