"""Every protection that Gradio's own ``launch()`` turns on is on for a mounted page, or is not needed there."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable

import gradio as gr
from fastapi import FastAPI
from gradio.routes import mount_gradio_app

from ui.compat import mounting


def attributes_set(function: Callable[..., object], of: str) -> set[str]:
    """The attributes, in dotted form, that the source of ``function`` assigns on its variable ``of``."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    set_ones = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
    names = (ast.unparse(node).partition(".") for node in set_ones)
    return {rest for first, _, rest in names if first == of}


def test_all_that_launch_sets_is_accounted_for() -> None:
    left_out = attributes_set(gr.Blocks.launch, "self") - attributes_set(mount_gradio_app, "blocks")
    known = mounting.SET_BY_US | mounting.SET_AT_START | mounting.NOT_NEEDED.keys()
    assert left_out <= known, (
        f"Gradio's launch() now also sets {sorted(left_out - known)}, and mount_gradio_app does not. Look at what reads them: "
        "set what a guard needs in ui/compat/mounting.py, and give the reason for the others there."
    )
    assert known <= left_out, f"{sorted(known - left_out)} need no row in ui/compat/mounting.py any more"


def test_the_guards_are_on_once_the_page_is_mounted() -> None:
    page = mounting.Page()
    mounting.mount(FastAPI(), page)
    assert page.has_launched and not page.share and page.allowed_paths == [] and not page.dev_mode and not page.show_error
    page.run_startup_events()
    assert page.is_running
    page.close()


def test_the_walk_sees_assignments_of_every_form() -> None:
    def sets(it: gr.Blocks) -> None:
        it.height = it.width = 1
        it.share, it.max_threads = False, 1
        it.theme: object = None

    assert attributes_set(sets, "it") == {"height", "width", "share", "max_threads", "theme"}
