"""Where a single file takes the components from that it was saved without: a denoiser alone its text encoders and VAE, a
checkpoint without a VAE that one. Another file or folder of the user lends them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from engine.checkpoints.families import BASE_MODELS, BY_NAME, Family
from engine.checkpoints.identify.identity import Identity


class Lender(Protocol):
    """A file or folder that was identified."""

    @property
    def location(self) -> tuple[str, str]:
        """Its folder, and its name without extension."""
        ...

    @property
    def identity(self) -> Identity:
        """What it is."""
        ...


L = TypeVar("L", bound=Lender)

_KINDS = ("checkpoint", "unet")


def list_missing(identity: Identity) -> list[str]:
    """The components that a single file of a known family was saved without."""
    family = BY_NAME.get(identity.family)
    if family is None or family.separate or identity.kind not in _KINDS or identity.container == "folder":
        return []
    return [component for component in family.key_mapping if component not in identity.parts]


def find_lenders(borrower: L, others: Iterable[L]) -> dict[str, L]:
    """For each component that ``borrower`` lacks, the best of ``others`` that has it, if there is one."""
    missing = list_missing(borrower.identity)
    family = BY_NAME.get(borrower.identity.family)
    if not missing or family is None:
        return {}
    able = [other for other in others if other.location != borrower.location and not list_missing(other.identity)]
    found: dict[str, L] = {}
    for component in missing:
        ranked = [(rank, other) for other in able if (rank := _rank(borrower, other, component, family)) is not None]
        if ranked:
            found[component] = min(ranked, key=lambda pair: pair[0])[1]
    return found


def _rank(borrower: Lender, other: Lender, component: str, family: Family) -> tuple[int, bool, tuple[str, str]] | None:
    """The rank of ``other`` as a lender, the lowest first; None if it cannot lend. A VAE named like the checkpoint comes first,
    as in AUTOMATIC1111's program; then those whose family is certain; then a VAE alone, which does not say its family."""
    folder, name = other.location
    away = folder != borrower.location[0]
    if other.identity.kind == "vae":
        if component != "vae" or not _names_family(name, family):
            named = component == "vae" and name.startswith(borrower.location[1] + ".")
            return (0, away, other.location) if named else None
        return (0 if name.startswith(borrower.location[1] + ".") else 2), away, other.location
    lender = BY_NAME.get(other.identity.family)
    if other.identity.kind != "checkpoint" or lender is None or component not in other.identity.parts:
        return None
    same_text = lender.signature is not None and family.signature is not None and lender.signature.text == family.signature.text
    same_vae = lender.base is family.base and lender.vae_overrides == family.vae_overrides
    fits = same_vae if component == "vae" else same_text
    return (1, away, other.location) if fits and family.base is not None else None


def _names_family(name: str, family: Family) -> bool:
    """Whether the name of a VAE says that it is for ``family``, or does not say another where the family has no word."""
    named = next((base for base in BASE_MODELS.values() if base.metadata_word and base.metadata_word in name.lower()), None)
    return named is family.base if named or family.base is None else not family.base.metadata_word
