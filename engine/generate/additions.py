"""What a request adds to its checkpoint: LoRAs and embeddings that its prompts name, and another VAE."""

from __future__ import annotations

import re

from engine.checkpoints.adapters import Additions
from engine.checkpoints.library.catalogue import Catalogue, CheckpointEntry
from engine.errors import CheckpointError
from engine.prompt.grammar import parse
from engine.requests import GenerationRequest


def named(request: GenerationRequest, entry: CheckpointEntry, catalogue: Catalogue) -> Additions:
    """Everything that ``request`` names beside its checkpoint ``entry``.

    Raises CheckpointError for a LoRA or a VAE that is not there. An embedding is asked for by its file's name as a word of either
    prompt; one that was made for another family is only a word.
    """
    loras = tuple(
        (_lora(tag.name, catalogue), tag.weight, tag.weight if tag.unet_weight is None else tag.unet_weight)
        for tag in parse(request.prompt).loras
    )
    base = entry.family.base.name if entry.family.base else ""
    words = f"{request.prompt}\n{request.negative_prompt}"
    embeddings = tuple(
        embedding
        for embedding in catalogue.of_kind("embedding")
        if embedding.identity.family in ("", base) and _says(words, embedding.path.stem)
    )
    return Additions(loras=loras, embeddings=embeddings, vae=catalogue.find(request.vae, "vae") if request.vae else None)


def hashes(additions: Additions) -> dict[str, str]:
    """For the picture's record: what each addition was, by kind and name."""
    entries = [*(lora for lora, *_ in additions.loras), *additions.embeddings, *([additions.vae] if additions.vae else [])]
    return {f"{entry.identity.kind} {entry.name}": entry.hash[:10] for entry in entries}


def _lora(name: str, catalogue: Catalogue) -> CheckpointEntry:
    try:
        return catalogue.find(name, "lora")
    except CheckpointError as error:
        raise CheckpointError(f"{error} Or take its tag <lora:{name}> out of the prompt.") from error


def _says(prompts: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompts, re.IGNORECASE) is not None
