"""What a negative prompt did, as HTML: two images under a slider with a map of the change, and what each word does."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup

from engine.negative import image_difference, study
from engine.negative.study import StudyResult, TermEffect
from engine.prompt.variants import has_variants
from engine.records.images.decoder import read_size
from engine.requests import Request, StudyNegative
from engine.storage.file_version import Version, read_version
from ui import formatting, messages, sentences
from ui.common import result_view, send_to
from ui.common.job_view import View
from ui.common.result_view import Pair, Side
from ui.server import image_routes
from ui.templates import Macros, render_notice

_HTML = Macros("tabs/negative_prompts/view.html")


@dataclass(frozen=True)
class Effect:
    """What one word does: ``width`` is that of its bar, in percent of the one that does most."""

    text: str
    address: str
    without: str
    width: str
    percent: str


@dataclass(frozen=True)
class Slim:
    """The images with all words and without those that have no effect, and the button that removes these. ``studied`` and
    ``left`` are
    the negative prompt before and after that, ``dead`` the words, one per line."""

    pair: Pair
    explained: str
    studied: str
    left: str
    dead: str
    button: str


def render_results(asked: Request, view: View, outputs: Path) -> str:
    """The result view of the tab's jobs."""
    return render_study(asked, view, outputs) if isinstance(asked, StudyNegative) else render_comparison(view, outputs)


def render_comparison(view: View, outputs: Path) -> str:
    """The result view of a comparison: the image with the negative prompt and the one without, once both are there."""
    there = [result.path for result in view.results]
    if len(there) < 2 or not all(result_view.is_there(path, outputs) for path in there):
        return result_view.render_stage(view, outputs)
    given, without = there
    first, name = view.results[0], image_routes.name_image(outputs, given)
    ratio = result_view.format_ratio(first.width, first.height)
    drawn = _HTML.render(
        "comparison",
        pair=_create_pair(outputs, (without, messages.WITHOUT), (given, messages.WITH), ratio),
        map=_draw_map(without, given),
        percent=formatting.format_percent(image_difference.measure_files(without, given)),
        rows=result_view.list_facts(first, send_to.read_request(given)),
        links=[
            {"address": image_routes.locate_path(outputs, path), "file": path.name, "label": label}
            for path, label in ((without, messages.DOWNLOAD_WITHOUT), (given, messages.DOWNLOAD_WITH))
        ],
        image=name,
        targets=send_to.list_targets(),
    )
    return result_view.render_stage(view, outputs, drawn)


def render_study(asked: StudyNegative, view: View, outputs: Path) -> str:
    """The result view of a study: the words tried so far, the one with the largest effect first."""
    there = dict(enumerate(result.path for result in view.results))
    if len(there) <= study.FIRST:
        return result_view.render_stage(view, outputs, Markup(""))
    if not all(result_view.is_there(path, outputs) for path in there.values()):
        return result_view.render_stage(view, outputs, render_notice(messages.IMAGE_GONE))
    found = study.summarize(_find_drawn(asked, there[study.SAME]), there)
    most = max((finding.change for finding in found.found), default=0) or 1
    living = [finding for finding in found.found if finding not in found.dead]
    drawn = _HTML.render(
        "study",
        explained=sentences.effect_explanation(found.floor),
        living=[_describe_effect(finding, most, outputs) for finding in living],
        dead=[_describe_effect(finding, most, outputs) for finding in found.dead],
        slim=_describe_slim(found, outputs) if found.dead else None,
        all_count=not view.running,
        untried=sentences.untried_words(len(found.found), found.untried) if found.untried else "",
    )
    return result_view.render_stage(view, outputs, drawn)


def _find_drawn(asked: StudyNegative, image: Path) -> StudyNegative:
    """``asked`` with the negative prompt that was drawn from its variants, which the record of ``image`` holds."""
    made = send_to.read_request(image) if has_variants(asked.negative_prompt) else None
    return asked if made is None else dataclasses.replace(asked, negative_prompt=made.negative_prompt)


def _describe_effect(finding: TermEffect, most: float, outputs: Path) -> Effect:
    return Effect(
        text=finding.term.text,
        address=image_routes.locate_path(outputs, finding.image),
        without=sentences.thumbnail_title(finding.term.text),
        width=f"{100 * finding.change / most:.1f}",
        percent=formatting.format_percent(finding.change),
    )


def _describe_slim(found: StudyResult, outputs: Path) -> Slim | None:
    """The image without the words that have no effect, and the button that removes them; None until it is finished."""
    if found.same is None or found.slim is None or found.slim_change is None:
        return None
    ratio = result_view.format_ratio(*read_size(found.slim))
    return Slim(
        pair=_create_pair(outputs, (found.same, messages.ALL_WORDS), (found.slim, messages.SLIM), ratio),
        explained=sentences.slim_explanation(found.slim_change),
        studied=found.negative_prompt,
        left=found.remaining,
        dead="\n".join(finding.term.text for finding in found.dead),
        button=sentences.removal_button(len(found.dead)),
    )


def _create_pair(outputs: Path, left: tuple[Path, str], right: tuple[Path, str], ratio: str) -> Pair:
    return Pair(_create_side(outputs, *left), _create_side(outputs, *right), ratio)


def _create_side(outputs: Path, image: Path, label: str) -> Side:
    return Side(image_routes.locate_path(outputs, image), label)


def _draw_map(before: Path, after: Path) -> str:
    """Where two images differ, as a data URL."""
    return _draw_versions(before, after, read_version(before), read_version(after))


@lru_cache(maxsize=64)
def _draw_versions(before: Path, after: Path, _before: Version, _after: Version) -> str:
    return result_view.encode_data_url(image_difference.encode_map(before, after), "image/png")
