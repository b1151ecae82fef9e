"""The result view of a tab as HTML: the image while it is being made and when it is finished."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import gradio as gr
from markupsafe import Markup
from PIL import Image

from engine.events import Result
from engine.requests import AXES, GenerationRequest, ImageToImage, Request, ResolvedUpscale, model_of
from engine.storage.file_version import Version, read_version
from ui import formatting, messages, sentences
from ui.common import controls, send_to
from ui.common.job_view import View
from ui.common.send_to import read_request
from ui.server import image_routes, scripts
from ui.templates import Macros, render_notice

ON_LOAD = scripts.on_load("common/result_view.js", ["reuse", "reuse_template", "keep_seed", "vary", "pick", "trim"])
"""A press on one of the view's buttons becomes an event, with the image's relative path, or with the words to remove from a
negative prompt."""

_HTML, _SHARED = Macros("common/result_view.html"), Macros("common/macros.html")


@dataclass(frozen=True)
class Preview:
    """An image in the page itself: ``source`` is a data URL, ``ratio`` width by height."""

    source: str
    ratio: str


@dataclass(frozen=True)
class StripImage:
    """A small image in the strip under the large one: the image's name, the address of its thumbnail, and its label."""

    name: str
    address: str
    words: str


@dataclass(frozen=True)
class ShownImage:
    """A finished image as templates take it: ``name`` is its path in the outputs, ``file`` the last part of it, ``address`` that
    of the image in full size and ``shown`` that of what the page shows of it."""

    name: str
    file: str
    address: str
    shown: str
    ratio: str
    words: str


@dataclass(frozen=True)
class ResultSide:
    """``stage`` holds the finished images, ``progress`` lies over it while another one is made: a step changes nothing but it."""

    stage: gr.HTML
    progress: gr.HTML


@dataclass(frozen=True)
class Side:
    """One image of a pair, with its label."""

    address: str
    label: str


@dataclass(frozen=True)
class Pair:
    """Two images on top of each other; ``ratio`` is width by height."""

    left: Side
    right: Side
    ratio: str


def create_result_side(tab: str, hint: str) -> ResultSide:
    """The result view of a tab. ``hint`` says what to do while it is empty."""
    stage = gr.HTML(
        _HTML.render("blank", sentence=hint), js_on_load=ON_LOAD, elem_id=f"{tab}-stage", elem_classes="stage", **controls.BARE
    )
    return ResultSide(stage, gr.HTML(elem_id=f"{tab}-progress", elem_classes="progress-layer", **controls.BARE))


def render_slider(before: Image.Image, after: Image.Image) -> Markup:
    """Two images of one size under a slider."""
    left, right = Side(_encode_webp(before), messages.BEFORE), Side(_encode_webp(after), messages.AFTER)
    return _SHARED.render("slider", pair=Pair(left, right, format_ratio(*after.size)))


def _encode_webp(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=92)
    return encode_data_url(stream.getvalue(), "image/webp")


def render_stage(view: View, outputs: Path, results: Markup | None = None) -> Markup:
    """The outcome of ``view`` as HTML. ``outputs`` is the folder of its images. ``results``: HTML to be shown instead of them."""
    return _HTML.render(
        "stage", view=view, state=_find_state(view), results=_render_viewer(view, outputs) if results is None else results
    )


def render_progress(view: View) -> Markup:
    """How far a running job is, with the image so far; "" for one that has ended."""
    if not view.running:
        return Markup("")
    preview = None if view.preview is None else _read_preview(view.preview)
    return _HTML.render("progress", view=view, preview=preview, percent=None if view.share is None else round(100 * view.share))


def render_live(view: View, drafts: Path) -> Markup:
    """A Live preview as HTML: the image alone, and how long it took."""
    images = [
        {
            "source": image_routes.locate_path(drafts, result.path, image_routes.DRAFTS),
            "ratio": format_ratio(result.width, result.height),
            "took": formatting.format_duration(result.seconds),
        }
        for result in view.results
    ]
    preview = _read_preview(view.preview) if view.running and view.preview else None
    return _HTML.render("live_stage", trouble=view.trouble, preview=preview, images=images, sentences=view.notices)


def _find_state(view: View) -> str:
    if view.running:
        return "running"
    if view.trouble:
        return "failed"
    return "finished" if view.results else "idle"


def _read_preview(jpeg: bytes) -> Preview:
    with Image.open(io.BytesIO(jpeg)) as header:
        ratio = format_ratio(*header.size)
    return Preview(encode_data_url(jpeg, "image/jpeg"), ratio)


def encode_data_url(content: bytes, media_type: str) -> str:
    """``content`` as a data URL."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _render_viewer(view: View, outputs: Path) -> Markup:
    """One image large, with its settings and buttons, and all others small: the batch, then what was made before."""
    gone = sum(not is_there(result.path, outputs) for result in view.results)
    shown = [result for result in (*view.results, *view.earlier) if is_there(result.path, outputs)]
    if not shown:
        return render_notice(messages.IMAGE_GONE) if gone else Markup("")
    thumbnails = [_describe_thumbnail(result, outputs) for result in shown]
    figures = render_figures(shown, outputs)
    return _HTML.render(
        "viewer", figures=figures, thumbnails=thumbnails if len(shown) > 1 else [], gone=messages.IMAGE_GONE if gone else ""
    )


def _describe_thumbnail(result: Result, outputs: Path) -> StripImage:
    name = image_routes.name_image(outputs, result.path)
    return StripImage(name, image_routes.locate(name, image_routes.SMALL), sentences.strip_thumbnail(result.seed))


def render_figures(results: Iterable[Result], outputs: Path) -> list[Markup]:
    """Each finished image with its settings and buttons."""
    return [_render_figure(result, outputs) for result in results]


def _render_figure(result: Result, outputs: Path) -> Markup:
    # Images can be moved by hand, and the journal can be older than a change of the outputs folder.
    if not is_there(result.path, outputs):
        return render_notice(messages.IMAGE_GONE)
    return _render_version(result, outputs, read_version(result.path))


@lru_cache(maxsize=1024)
def _render_version(result: Result, outputs: Path, _version: Version) -> Markup:
    request = read_request(result.path)
    name = image_routes.name_image(outputs, result.path)
    image = describe_image(name, result.width, result.height, request.prompt if request else "")
    go_on = messages.GO_ON.format(strength=request.strength) if isinstance(request, ImageToImage) else ""
    return _HTML.render(
        "figure", image=image, rows=list_facts(result, request), go_on=go_on, has_template=send_to.has_template(request),
        can_vary=isinstance(request, GenerationRequest) and not request.axes,
        targets=send_to.list_targets("info", "describe"), others=send_to.list_targets("sketch", "upscale"),
    )  # fmt: skip


def is_there(path: Path, outputs: Path) -> bool:
    """Whether a finished image still lies inside the outputs folder."""
    return path.is_relative_to(outputs) and path.exists()


def describe_image(name: str, width: int, height: int, words: str) -> ShownImage:
    """The image called ``name``, its path in the outputs with forward slashes; ``words`` is its alternative text."""
    return ShownImage(
        name=name,
        file=name.rpartition("/")[2],
        address=image_routes.locate(name),
        shown=image_routes.locate_shown(name, width, height),
        ratio=format_ratio(width, height),
        words=words,
    )


def format_ratio(width: int, height: int) -> str:
    """The aspect ratio, as style.css takes it."""
    return f"{width / height:.4f}"


def list_facts(result: Result, request: Request | None) -> list[tuple[str, str]]:
    """What an image was made with, as labels and values."""
    facts: list[tuple[str, Fact]] = [("Seed", result.seed), ("Size", f"{result.width} × {result.height}")]
    facts += _list_main_settings(request) if request else []
    facts.append(("Time", formatting.format_duration(result.seconds)))
    return [(label, format_value(value)) for label, value in facts if value is not None]


def _list_main_settings(request: Request) -> list[tuple[str, Fact]]:
    strength = request.strength if isinstance(request, ImageToImage) else None
    sampling = [("Steps", request.steps), ("CFG scale", request.guidance_scale), ("Sampler", _name_sampling(request))]
    sampled = not isinstance(request, ResolvedUpscale) or request.steps > 0
    return [("Strength", strength), *(sampling if sampled else ()), ("Checkpoint", model_of(request))]


def _name_sampling(request: Request) -> str | None:
    """The sampler with its schedule, as one name."""
    named = [name for name in (request.scheduler, request.schedule) if name and name != "Default"]
    return " ".join(named) or None


_IMAGE = re.compile(r"[0-9a-f]{64}")
"""The content hash of an image."""

Scalar = str | float | None
Fact = Scalar | Sequence[Scalar]
"""A value of a request."""


def format_value(value: Fact) -> str:
    """A value as people write it. An image is named by the first letters of its content hash, by which two can be told apart."""
    match value:
        case bool():
            return messages.YES if value else messages.NO
        case float():
            return f"{value:g}"
        case str() if _IMAGE.fullmatch(value):
            return sentences.image_name(value)
        case str() | int() | None:
            return str(value)
        case _:
            return ", ".join(format_value(each) for each in value)


SKIPPED = ("prompt", "negative_prompt", "count", "precision", "width", "height")
"""Fields of a request that are shown elsewhere or say nothing."""

SAYS_NOTHING: dict[str, Fact] = {
    "clip_skip": 0, "steps": 0, "prompt_template": "", "negative_template": "", "guidance_rescale": 0.0, "hires": False,
    "schedule": "Default",
}  # fmt: skip
"""Values with which a field of a resolved request has no effect."""

NAMES = {
    "guidance_scale": "CFG scale",
    "guidance_rescale": "CFG rescale",
    "scheduler": "Sampler",
    "strength": "Denoising strength",
}
"""Labels of fields whose name is not what users call them."""


def list_settings(request: Request) -> list[tuple[str, str]]:
    """A request's settings other than prompts and size, as labels and values."""
    usual = {field.name: field.default for field in dataclasses.fields(request)}
    return [
        (_name(name), format_value(value))
        for name, value in _list_facts(request).items()
        if name not in SKIPPED and value not in (usual.get(name), None, (), SAYS_NOTHING.get(name))
    ]


def find_differences(first: Request, second: Request) -> list[tuple[str, str, str]]:
    """The settings in which two requests differ: label, the first's value, the second's."""
    one, other = _list_facts(first), _list_facts(second)
    names = [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]
    return [(_name(name), _format_cell(one.get(name)), _format_cell(other.get(name))) for name in names]


def _list_facts(request: Request) -> dict[str, Fact]:
    """The fields of a request, its controls as one each."""
    found: dict[str, Fact] = {name: value for name, value in vars(request).items() if name not in ("controls", "axes")}
    guides = request.controls if isinstance(request, GenerationRequest) else ()
    if isinstance(request, GenerationRequest):
        found |= {f"grid, {AXES[axis.field].label}": ", ".join(axis.values) for axis in request.axes}
    return found | {f"control {number}": sentences.describe_control(guide) for number, guide in enumerate(guides, start=1)}


def _format_cell(value: Fact) -> str:
    return "" if value is None else format_value(value)


def _name(field: str) -> str:
    return NAMES.get(field, field.replace("_", " ").capitalize())
