"""The effect of each word: which images a study makes, and what follows from them.

The images of a study are numbered. :data:`SAME` has the whole negative prompt; :data:`AGAIN` is the same request in another
place of the batch, and how far it is from the first is the noise floor; from :data:`FIRST` on each has one term silent, in the
order of the prompt. A last one, after those, is without all terms that had no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RequestError
from engine.negative import image_difference
from engine.prompt.terms import Place, Term, find_terms, remove_terms
from engine.records.outputs import STUDIES
from engine.requests import StudyNegative

SAME, AGAIN, FIRST = 0, 1, 2

FOLDER = STUDIES


def choose_terms(asked: StudyNegative) -> tuple[Term, ...]:
    """The terms that a study tries, in their order. Raises RequestError if the negative prompt has none."""
    found = find_terms(asked.negative_prompt)
    if not found:
        raise RequestError("The negative prompt has no words to try. Write some, with commas between them.")
    return found[: asked.max_terms]


def list_silences(asked: StudyNegative) -> tuple[tuple[Place, ...], ...]:
    """For each image that a study of this request makes first: the places of the negative prompt that are silenced."""
    return ((), (), *((term.place,) for term in choose_terms(asked)))


@dataclass(frozen=True)
class TermEffect:
    """What one term does: ``change`` (0..1, see :mod:`engine.negative.image_difference`) is how far the image changes without
    it."""

    term: Term
    change: float
    image: Path


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """The results of a study so far. ``found`` has the term with the largest effect first.

    ``same`` and ``slim`` are the images with the whole negative prompt and with :attr:`remaining`, or None until they are
    finished. ``floor`` (0..1) is the noise floor. ``untried`` counts the terms beyond the limit.
    """

    negative_prompt: str
    found: tuple[TermEffect, ...] = ()
    floor: float = 0.0
    untried: int = 0
    same: Path | None = None
    slim: Path | None = None

    @property
    def threshold(self) -> float:
        """A term that changes no more than this has no effect: the noise floor, or the limit of visibility if that is higher."""
        return max(self.floor, image_difference.VISIBLE)

    @property
    def dead(self) -> tuple[TermEffect, ...]:
        """The terms without effect."""
        return tuple(finding for finding in self.found if finding.change <= self.threshold)

    @property
    def remaining(self) -> str:
        """The negative prompt without its dead terms."""
        return remove_terms(self.negative_prompt, [finding.term.place for finding in self.dead])

    @property
    def slim_change(self) -> float | None:
        """How far the image without the dead terms differs from the first one."""
        return image_difference.measure_files(self.same, self.slim) if self.same and self.slim else None


def summarize(asked: StudyNegative, images: Mapping[int, Path]) -> StudyResult:
    """The results from the finished images, by number. Raises OSError for one that cannot be read."""
    same, found = images.get(SAME), choose_terms(asked)
    untried = len(find_terms(asked.negative_prompt)) - len(found)
    if same is None:
        return StudyResult(negative_prompt=asked.negative_prompt, untried=untried)
    there = [(term, images[number]) for number, term in enumerate(found, FIRST) if number in images]
    measured = [TermEffect(term, image_difference.measure_files(same, image), image) for term, image in there]
    return StudyResult(
        negative_prompt=asked.negative_prompt,
        found=tuple(sorted(measured, key=lambda finding: -finding.change)),
        floor=image_difference.measure_files(same, images[AGAIN]) if AGAIN in images else 0.0,
        untried=untried,
        same=same,
        slim=images.get(FIRST + len(found)),
    )
