"""How listeners are attached to components, which Gradio's types do not describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.context import Context
from gradio.events import Dependency

Listen = Callable[..., Dependency]
"""Attaches a listener: ``listen(function, inputs, outputs, ...)``."""

Values = dict[Component, Any]
"""What Gradio hands to a listener whose inputs are a set."""

Update = dict[str, Any] | list[str] | str | float | bool | None
"""What a listener gives for one output: a value, or what ``gr.update`` and ``gr.skip`` return."""

QUIET: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": []}
"""For listeners that need no spinner of Gradio's: the stage shows what happens.

With each message of a listener, Gradio tells every component that any listener ever showed progress on, and finds each of them by
a search through the whole page. An empty ``show_progress_on`` keeps a listener's outputs out of that, which halves what a browser
computes to open the page.
"""


def on(component: Block, event: str) -> Listen:
    """The event of that name of a component. Gradio adds events to its classes while they are created, and those of a ``gr.HTML``
    when they are asked for (from the text of its script), so no type checker can see them."""
    return getattr(component, event)


def find_open_tab() -> gr.Tab:
    """The ``gr.Tab`` whose ``with`` block is open: its content has no other way to learn when it is selected."""
    block = Context.block
    assert isinstance(block, gr.Tab), "called inside a gr.Tab"
    return block
