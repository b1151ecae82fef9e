"""What a negative prompt did, as HTML: two pictures under a slider with a map of the change, and what each word does."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from functools import lru_cache
from html import escape
from pathlib import Path

from PIL import Image

from engine.negative import image_difference, study
from engine.negative.study import Finding, Findings
from engine.requests import Request, StudyNegative
from ui import messages
from ui.common import result_view, send_to
from ui.common.job_view import View
from ui.server import image_routes


def show_comparison(asked: Request, view: View, outputs: Path) -> str:
    """The stage of a comparison: the picture with the negative prompt and the one without, once both are there."""
    there = [result.path for result in view.results]
    if len(there) < 2 or _gone(there, outputs):
        return result_view.show(view, outputs)
    given, without = there
    percent = messages.percent(image_difference.between(without, given))
    facts = result_view.facts(view.results[0], result_view.made_with(given))
    measured = f'<div class="measured"><p><strong>{percent}</strong> {messages.CHANGED_BY_NEGATIVE}</p>{facts}</div>'
    drawn = _slider(outputs, (without, messages.WITHOUT), (given, messages.WITH), view.results[0].width / view.results[0].height)
    caption = f"<figcaption>{_map(without, given)}{measured}</figcaption>{_actions(outputs, without, given)}"
    return result_view.show(view, outputs, f'<figure class="comparison">{drawn}{caption}</figure>')


def show_study(asked: StudyNegative, view: View, outputs: Path) -> str:
    """The stage of a study: the words that are known so far, the one that does most first."""
    there = dict(enumerate(result.path for result in view.results))
    if len(there) <= study.FIRST:
        return result_view.show(view, outputs, "")
    if _gone(there.values(), outputs):
        return result_view.show(view, outputs, result_view.says(messages.PICTURE_GONE))
    found = study.findings(asked, there)
    living = [finding for finding in found.found if finding not in found.dead]
    most = max((finding.change for finding in found.found), default=0) or 1
    rows = "".join(_row(finding, most, outputs) for finding in living)
    heading = f"<h3>{messages.WORDS}</h3><p>{escape(messages.words_explained(found.floor))}</p>"
    untried = result_view.says(messages.untried(len(found.found), found.untried)) if found.untried else ""
    body = f'{heading}<ol class="words">{rows}</ol>{_dead(found, most, view, outputs)}{untried}'
    return result_view.show(view, outputs, f'<div class="word-study">{body}</div>')


def _gone(there: Iterable[Path], outputs: Path) -> bool:
    """Whether a picture was moved away, or lies outside the outputs folder."""
    return any(not (path.is_relative_to(outputs) and path.exists()) for path in there)


def _dead(found: Findings, most: float, view: View, outputs: Path) -> str:
    """The words that do nothing, the picture without them, and the offer to take them out."""
    if not found.dead:
        return "" if view.running else f"<p>{messages.ALL_WORDS_COUNT}</p>"
    rows = "".join(_row(finding, most, outputs) for finding in found.dead)
    listed = f'<h3>{messages.DEAD_WORDS}</h3><ol class="words dead">{rows}</ol>'
    if found.same is None or found.slim is None or found.slim_change is None:
        return listed
    with Image.open(found.slim) as header:
        ratio = header.width / header.height
    drawn = _slider(outputs, (found.same, messages.ALL_WORDS), (found.slim, messages.SLIM), ratio)
    said = escape(messages.slim_explained(found.slim_change))
    studied, left = escape(found.negative_prompt), escape(found.remaining)
    texts = escape("\n".join(finding.term.text for finding in found.dead))
    button = (
        f'<button type="button" data-what="trim" data-studied="{studied}" data-left="{left}" data-dead="{texts}">'
        f"{messages.remove_words(len(found.dead))}</button>"
    )
    return f'{listed}<figure class="comparison small">{drawn}</figure><p>{said}</p><div class="actions">{button}</div>'


def _row(finding: Finding, most: float, outputs: Path) -> str:
    address = escape(image_routes.address(outputs, finding.picture))
    term, percent = escape(finding.term.text), messages.percent(finding.change)
    return (
        f'<li><a href="{address}" target="_blank" title="{messages.WITHOUT_WORD}"><img src="{address}" loading="lazy" '
        f'alt="{escape(messages.without_word(finding.term.text))}"></a><span class="word">{term}</span>'
        f'<span class="effect"><span style="width:{100 * finding.change / most:.1f}%"></span></span><span>{percent}</span></li>'
    )


def _slider(outputs: Path, left: tuple[Path, str], right: tuple[Path, str], ratio: float) -> str:
    """Two pictures on top of each other; a bar across them says how much of the left one is seen."""
    images = "".join(
        f'<img class="picture {side}" src="{escape(image_routes.address(outputs, path))}" alt="{escape(label)}">'
        for side, (path, label) in (("right", right), ("left", left))
    )
    labels = f'<span class="tag left">{left[1]}</span><span class="tag right">{right[1]}</span>'
    bar = f'<input type="range" min="0" max="100" value="50" aria-label="{messages.SLIDER}">'
    return f'<div class="frame pair" style="--ratio: {ratio:.4f}; --cut: 50%">{images}{labels}<i class="divider"></i>{bar}</div>'


def _map(before: Path, after: Path) -> str:
    return f'<img class="map" src="data:image/png;base64,{_map_data(before, after)}" alt="{messages.MAP}" title="{messages.MAP}">'


@lru_cache(maxsize=64)
def _map_data(before: Path, after: Path) -> str:
    with Image.open(before) as first, Image.open(after) as second:
        drawn = image_difference.where(first, second)
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _actions(outputs: Path, without: Path, given: Path) -> str:
    links = "".join(
        f'<a class="button" href="{escape(image_routes.address(outputs, path))}" download="{escape(path.name)}">{label}</a>'
        for path, label in ((without, messages.DOWNLOAD_WITHOUT), (given, messages.DOWNLOAD_WITH))
    )
    name = given.relative_to(outputs).as_posix()
    keep = f'<button type="button" data-what="keep_seed" data-picture="{escape(name)}">{messages.KEEP_SEED}</button>'
    return f'<div class="actions">{links}{keep}{send_to.buttons(name)}</div>'
