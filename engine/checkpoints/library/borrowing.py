"""Components that a checkpoint was saved without, taken from other files and folders of the user.

A denoiser alone needs text encoders and a VAE, many checkpoints of XL have no VAE, and Stable Diffusion 3 is often published
without its text encoders, which are larger than the rest and the same for all its sizes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from engine.checkpoints.families import BASE_MODELS, BY_NAME, BaseModel, Family
from engine.checkpoints.families import stable_diffusion_3 as sd3
from engine.checkpoints.identify.identity import COMPONENT_NAMES
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.t5_tokenizer import T5

_PUBLISHED_AS: Mapping[str, str] = {
    "text_clip_l": "clip_l.safetensors", "text_openclip_bigg": "clip_g.safetensors",
    "text_t5_xxl": "t5xxl_fp16.safetensors or t5xxl_fp8_e4m3fn.safetensors",
}  # fmt: skip
"""Configuration of a text encoder -> the name of its file as it is published."""

_BORROWERS = ("checkpoint", "unet")


def list_missing(entry: CheckpointEntry) -> list[str]:
    """The components that a checkpoint, or a denoiser alone, was saved without."""
    family = BY_NAME.get(entry.identity.family)
    if family is None or entry.identity.kind not in _BORROWERS:
        return []
    wanted = sorted(family.optional) if entry.is_folder else family.key_mapping
    return [component for component in wanted if component not in entry.identity.parts]


def borrow_components(entry: CheckpointEntry, others: Iterable[CheckpointEntry]) -> CheckpointEntry:
    """``entry`` with each component that it lacks taken from the best of ``others`` that has it, if there is one."""
    missing = list_missing(entry)
    lenders = tuple(others) if missing else ()
    found: dict[str, CheckpointEntry] = {}
    for component in missing:
        ranked = [(rank, lender) for lender in lenders if (rank := _rank(entry, lender, component)) is not None]
        if ranked:
            found[component] = min(ranked, key=lambda pair: pair[0])[1]
    return take_components(entry, found) if missing else entry


def take_components(entry: CheckpointEntry, lenders: Mapping[str, CheckpointEntry]) -> CheckpointEntry:
    """``entry`` with components from ``lenders``. A denoiser alone is a checkpoint once it has all that it needs."""
    identity = entry.identity
    lacking = [name for name in list_missing(entry) if name not in lenders and name not in entry.family.optional]
    alone = identity.kind == "unet"
    reason = identity.reason
    if lenders:
        sources = " and ".join(dict.fromkeys(f"“{lender.name}”" for lender in lenders.values()))
        reason = f"{reason}; what it lacks is taken from {sources}"
    if alone and lacking:
        advice = f"put a checkpoint of {entry.family.label} into the models folder, whose text encoders and VAE it can take"
        reason = f"{reason}; {advice}"
    kind = "checkpoint" if alone and not lacking else identity.kind
    return dataclasses.replace(entry, identity=dataclasses.replace(identity, kind=kind, reason=reason), borrowed=lenders)


_Rank = tuple[int, bool, int, str]


def _rank(entry: CheckpointEntry, lender: CheckpointEntry, component: str) -> _Rank | None:
    """The rank of ``lender`` for a component, the lowest first; None if it cannot lend it. What surely fits comes before what
    may fit, then what lies in the same folder, then the largest, because small files are rounded."""
    if lender.path == entry.path or component not in lender.identity.parts:
        return None
    certainty = _CERTAINTIES.get(lender.identity.kind, _never)(entry, lender, component)
    if certainty is None:
        return None
    return certainty, lender.path.parent != entry.path.parent, -lender.identity.parts[component].bytes, str(lender.path)


_NAMED_LIKE_IT, _CERTAIN, _LIKELY = range(3)


def _never(_entry: CheckpointEntry, _lender: CheckpointEntry, _component: str) -> int | None:
    return None


def _of_checkpoint(entry: CheckpointEntry, lender: CheckpointEntry, component: str) -> int | None:
    """Another checkpoint has the same text encoders or the same VAE, if that has no values of its own."""
    mine, theirs = entry.family, lender.family
    if mine.base is None or component in lender.identity.configs:
        return None
    if component == "vae":
        return _CERTAIN if theirs.base is mine.base and theirs.vae_overrides == mine.vae_overrides else None
    same = theirs.signature is not None and mine.signature is not None and theirs.signature.text == mine.signature.text
    return _CERTAIN if same else None


def _of_vae(entry: CheckpointEntry, lender: CheckpointEntry, _component: str) -> int | None:
    """A VAE named like the checkpoint comes first, as in AUTOMATIC1111's program. Others do not say their family, but for that
    of Stable Diffusion 3."""
    base, said = entry.family.base, BASE_MODELS.get(lender.identity.family)
    if base is None or (said or BaseModel).latent_channels != base.latent_channels:
        return None
    if lender.path.stem.startswith(entry.path.stem + "."):
        return _NAMED_LIKE_IT
    if said is not None:
        return _CERTAIN if said is base else None
    return _LIKELY if _names_family(lender.path.stem, base) else None


def _names_family(name: str, base: BaseModel) -> bool:
    """Whether a name says a family's word, or no other's where the family has none."""
    named = next((each for each in BASE_MODELS.values() if each.metadata_word and each.metadata_word in name.lower()), None)
    return named is base if named else not base.metadata_word


def _of_text_encoder(entry: CheckpointEntry, _lender: CheckpointEntry, component: str) -> int | None:
    """The text encoders that are published alone are CLIP-L, CLIP-G and T5."""
    wanted = entry.family.configs.get(component)
    return _CERTAIN if wanted is not None and wanted == sd3.FAMILIES[0].configs.get(component) else None


_CERTAINTIES = {"checkpoint": _of_checkpoint, "vae": _of_vae, "text_encoder": _of_text_encoder}
"""Kind of file -> how certain it is that a component of it fits a checkpoint; None if it does not."""


def explain_borrowed(entry: CheckpointEntry) -> str:
    """A sentence about the components that are taken from elsewhere, "" if there are none."""
    parts = [f"{COMPONENT_NAMES.get(name, name)} from “{lender.name}”" for name, lender in entry.borrowed.items()]
    return f"“{entry.name}” was saved without all parts: it takes its {' and its '.join(parts)}." if parts else ""


def explain_missing(entry: CheckpointEntry) -> Iterator[str]:
    """A sentence for each component that a checkpoint lacks, and what to put beside it."""
    if entry.identity.kind != "checkpoint":
        return
    missing = [name for name in list_missing(entry) if name not in entry.borrowed]
    required = [name_source(entry.family, name) for name in missing if name not in entry.family.optional]
    if required:
        yield f"To use this checkpoint, put {' and '.join(required)} beside it."
    if T5 in missing:
        source = name_source(entry.family, T5)
        yield f"The text encoder T5 is left out: for long sentences and legible lettering, put {source} beside it."
    if T5 in entry.family.optional and entry.t5_tokenizer is None:
        yield "T5 needs its tokenizer: put the tokenizer.json of the checkpoint's published folder “tokenizer_3” beside it."


def name_source(family: Family, component: str) -> str:
    """What holds a component that a checkpoint of ``family`` lacks."""
    if component == "vae":
        return f"the VAE of {family.label}"
    return _PUBLISHED_AS.get(family.configs.get(component, ""), f"another checkpoint of {family.label}")
