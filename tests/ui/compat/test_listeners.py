"""How Easel attaches listeners: each test names what an upgrade of Gradio has broken."""

from __future__ import annotations

import gradio as gr
import pytest

from ui.compat.listeners import QUIET, find_open_tab, on
from ui.server import scripts


def test_events_are_attributes_of_their_components() -> None:
    with gr.Blocks():
        events = {
            gr.Textbox(): ("change", "input", "submit"), gr.Button(): ("click",), gr.Dropdown(): ("change", "input", "focus"),
            gr.Slider(): ("change", "input"), gr.Checkbox(): ("change", "input"), gr.File(): ("change",), gr.Timer(): ("tick",),
            gr.UploadButton(): ("upload",), gr.Accordion(): ("expand",),
        }  # fmt: skip
    missing = [
        (type(component).__name__, name) for component, names in events.items() for name in names if not on(component, name)
    ]
    assert missing == [], "Gradio has renamed events"


def test_a_script_gives_its_component_the_events_that_it_names() -> None:
    with gr.Blocks() as page:
        shown, said = gr.HTML(js_on_load=scripts.on_load("common/send_to.js", ["to_sketch"])), gr.Textbox()
        on(shown, "to_sketch")(lambda: "", None, said)
    heard = [name for listener in page.fns.values() for _, name in listener.targets]
    assert heard == ["to_sketch"], "gr.HTML no longer raises the events that its script names"


def test_an_event_that_no_script_names_is_an_error() -> None:
    with gr.Blocks():
        shown = gr.HTML(js_on_load="")
        with pytest.raises(AttributeError):
            on(shown, "to_sketch")


def test_a_tab_is_found_while_it_is_filled() -> None:
    with gr.Blocks(), gr.Tabs(), gr.Tab("History") as tab:
        assert find_open_tab() is tab, "Gradio keeps the open block elsewhere than in Context.block"
        assert on(tab, "select")


def test_quiet_listeners_show_progress_on_no_component() -> None:
    with gr.Blocks() as page:
        button, said = gr.Button(), gr.Textbox()
        button.click(lambda: "", None, said, **QUIET)
    (listener,) = page.fns.values()
    assert (listener.show_progress, listener.show_progress_on) == ("hidden", []), "Gradio takes an empty list for None"


def test_a_listener_may_hide_its_outputs_progress_and_leave_them_alone() -> None:
    assert gr.skip() == {"__type__": "update"}
