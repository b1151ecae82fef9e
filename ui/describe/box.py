"""The components with which a picture is described: a box of its own on Image info, and a button on other tabs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.requests import DescribeImage
from ui import messages
from ui.common import controls
from ui.common.generate_button import BrowserScript
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, Values, on
from ui.describe.service import DescribeService, Description

LEAST_CONFIDENCE = 0.35
"""The least confidence of a tag at first: that of the taggers' author."""


@dataclass(frozen=True)
class Captioning:
    """Which captioner, seen where there are several, and the least confidence, seen for those that write tags."""

    captioner: gr.Dropdown
    threshold: gr.Slider


@dataclass(frozen=True)
class DescribeBox:
    """The components of the box; ``job`` is the id of the job that it follows."""

    service: DescribeService
    captioning: Captioning
    press: gr.Button
    stop: gr.Button
    status: gr.HTML
    words: gr.Textbox
    use: gr.Button
    job: gr.State = field(default_factory=lambda: gr.State(""))


def create_captioning(name: str, service: DescribeService) -> Captioning:
    """The choice of a captioner. ``name`` begins the ids."""
    known = service.list_captioners()
    with gr.Row(elem_classes="captioning"):
        captioner = gr.Dropdown(
            known, value=next(iter(known), None), label=messages.CAPTIONER, visible=len(known) > 1, elem_id=f"{name}-captioner",
        )  # fmt: skip
        threshold = gr.Slider(
            0, 1, LEAST_CONFIDENCE, step=0.05, label=messages.LEAST_CONFIDENCE, elem_id=f"{name}-threshold",
            visible=service.writes_tags(None),
        )  # fmt: skip
    return Captioning(captioner, threshold)


def wire_captioning(chosen: Captioning, service: DescribeService, session: PageSession) -> None:
    """Offer what the folders hold now, and the confidence where it has a meaning."""

    def offer(current: str | None) -> tuple[Update, Update]:
        known = service.list_captioners()
        value = current if current in known else next(iter(known), None)
        tags, several = gr.update(visible=service.writes_tags(value)), len(known) > 1
        if value == current:
            return gr.update(choices=known, visible=several), tags
        return gr.update(choices=known, visible=several, value=value), tags

    shown: list[Component] = [chosen.captioner, chosen.threshold]
    session.scanned.add(offer, chosen.captioner, shown)
    on(chosen.captioner, "change")(
        lambda name: gr.update(visible=service.writes_tags(name)), chosen.captioner, chosen.threshold, **QUIET
    )


@dataclass(frozen=True)
class DescribeButton:
    """A button that describes what a tab shows."""

    service: DescribeService
    captioning: Captioning
    press: gr.Button


def create_describe_button(name: str, words: str, session: PageSession) -> DescribeButton:
    """The button, whose label is ``words``, and the choice of a captioner."""
    service = _create_service(session, f"{name} describe")
    press = gr.Button(words, size="sm", elem_id=f"{name}-describe")
    return DescribeButton(service, create_captioning(name, service), press)


def _create_service(session: PageSession, place: str) -> DescribeService:
    return DescribeService(session.settings, session.jobs, session.checkpoint_options, place)


def create_describe_box(name: str, session: PageSession) -> DescribeBox:
    """The box: what describes, the buttons, and the words, which can be changed before they are used."""
    service = _create_service(session, "describe")
    with gr.Group(elem_classes="describe"):
        captioning = create_captioning(name, service)
        with gr.Row():
            press = gr.Button(messages.DESCRIBE_PICTURE, elem_id=f"{name}-describe", scale=3, min_width=140)
            stop = gr.Button(messages.STOP, variant="stop", elem_id=f"{name}-describe-stop", interactive=False, min_width=80)
        status = gr.HTML(elem_id=f"{name}-describe-says", **controls.BARE)
        words = gr.Textbox(label=messages.IN_WORDS, lines=3, max_lines=10, visible=False, elem_id=f"{name}-words")
        use = gr.Button(messages.USE_AS_PROMPT, visible=False, elem_id=f"{name}-use-words")
    return DescribeBox(service, captioning, press, stop, status, words, use)


def wire_describe_box(box: DescribeBox, session: PageSession, picture: Component, sent: Dependency) -> None:
    """Describe the file whose path is the value of ``picture`` on a press, and when a picture was ``sent`` to be described."""

    service = box.service

    async def describe(values: Values) -> AsyncGenerator[list[Update], None]:
        def ask() -> DescribeImage:
            chosen = box.captioning
            return service.create_request(values[picture], values[chosen.captioner], values[chosen.threshold])

        async for answer in service.describe(ask, values[session.browser]):
            yield _fill(answer)

    async def follow(browser: str) -> AsyncGenerator[list[Update], None]:
        yield [gr.skip() for _ in shown]
        async for answer in service.follow_latest(browser):
            yield _fill(answer)

    shown: list[Component] = [box.status, box.words, box.use, box.stop, box.job]
    inputs = {picture, box.captioning.captioner, box.captioning.threshold, session.browser}
    on(box.press, "click")(describe, inputs, shown, **QUIET)
    sent.then(describe, inputs, shown, **QUIET)
    on(box.stop, "click")(service.stop, box.job, None, **QUIET)
    session.opened.then(follow, session.browser, shown, **QUIET)
    wire_captioning(box.captioning, service, session)
    _wire_use(box, session)


def _fill(answer: Description) -> list[Update]:
    stop = gr.update(interactive=answer.running)
    if answer.words is None:
        return [answer.status, gr.skip(), gr.skip(), stop, answer.job]
    return [answer.status, gr.update(value=answer.words, visible=True), gr.update(visible=True), stop, answer.job]


def _wire_use(box: DescribeBox, session: PageSession) -> None:
    """The words become the prompt of Text to image, whose other settings stay, and its tab opens."""
    form, prompt = session.sending.forms["text_to_image"], session.sending.prompts["text_to_image"]
    used = on(box.use, "click")(
        lambda words: (words, gr.update(selected=form.tab)), box.words, [prompt, session.sending.tabs], **QUIET
    )
    form.keep(used)


def wire_describe_button(
    button: DescribeButton, session: PageSession, script: BrowserScript, find_image: Callable[[str], str],
    prompt: Component, notice: Component,
) -> Dependency:  # fmt: skip
    """Let a press describe the image whose hash ``find_image`` reads from what ``script`` hands in; it may raise EaselError. The
    words become the value of ``prompt``, and ``notice`` shows how it goes."""
    chosen, service = button.captioning, button.service

    async def describe(values: Values) -> AsyncGenerator[list[Update], None]:
        def ask() -> DescribeImage:
            image = find_image(values[script.into])
            return service.create_request_for_blob(image, values[chosen.captioner], values[chosen.threshold])

        async for answer in service.describe(ask, values[session.browser]):
            yield [gr.skip() if answer.words is None else answer.words, answer.status]

    wire_captioning(chosen, service, session)
    handed_in = on(button.press, "click")(None, None, script.into, js=script.js, **QUIET)
    inputs: set[Component] = {script.into, chosen.captioner, chosen.threshold, session.browser}
    return handed_in.then(describe, inputs, [prompt, notice], **QUIET)
