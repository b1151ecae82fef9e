"""What is kept of a page that is open: all of Gradio's but the descriptions of the components."""

import gradio as gr
import pytest
from gradio import state_holder
from gradio.state_holder import SessionState

from ui.compat import sessions


@pytest.fixture
def page() -> gr.Blocks:
    with gr.Blocks() as page:
        gr.Textbox(label="words")
        gr.State([1])
        gr.Dropdown(["a", "b"])
    return page


def test_a_page_has_all_of_gradios_state_and_no_descriptions(page: gr.Blocks) -> None:
    gradios, ours = SessionState(page), sessions.PageState(page)
    assert vars(ours).keys() == vars(gradios).keys(), "Gradio keeps something else of a page now"
    assert ours.blocks_config.blocks == gradios.blocks_config.blocks
    assert any(gradios.config_values.values()), (
        "Gradio does not describe components for each page any more: drop ui.compat.sessions"
    )
    assert not any(ours.config_values.values())


def test_values_and_components_are_kept_by_page_as_gradio_does(page: gr.Blocks) -> None:
    words, state, chosen = (
        next(key for key, block in page.blocks.items() if isinstance(block, kind)) for kind in (gr.Textbox, gr.State, gr.Dropdown)
    )
    one, other = sessions.PageState(page), sessions.PageState(page)
    one[state].append(2)
    one[chosen] = gr.Dropdown(["c"], render=False)
    assert (one[state], other[state]) == ([1, 2], [1])
    assert one[chosen].choices == [("c", "c")] and other[chosen] is page.blocks[chosen]
    assert one[words] is page.blocks[words]


def test_the_page_itself_stays_described(page: gr.Blocks) -> None:
    before = page.get_config_file()["components"]
    sessions.PageState(page)
    assert page.get_config_file()["components"] == before and before[0]["props"]


def test_pages_that_are_opened_are_kept_like_this(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_holder, "SessionState", state_holder.SessionState)
    sessions.use_undescribed()
    holder = state_holder.StateHolder()
    with gr.Blocks() as page:
        gr.Textbox()
    holder.set_blocks(page)
    assert isinstance(holder["a page"], sessions.PageState)
