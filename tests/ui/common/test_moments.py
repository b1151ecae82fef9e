"""What the tabs do when the page has opened: in one listener, and one that fails leaves the others theirs."""

import logging

import gradio as gr
import pytest

from ui import messages
from ui.common.moments import Moment, ScriptMoment


@pytest.fixture
def boxes() -> list[gr.Textbox]:
    with gr.Blocks():
        return [gr.Textbox(value=str(number)) for number in range(4)]


def test_each_part_gets_its_inputs_and_fills_its_outputs(boxes: list[gr.Textbox]) -> None:
    moment, (first, second, third, fourth) = Moment(), boxes
    moment.add(lambda one: one + "!", first, first)
    moment.add(lambda: gr.update(choices=["a"]), None, second)
    moment.add(lambda one, two: (one + two, two + one), [first, second], [third, fourth])
    moment.add(lambda values: {fourth: values[third]}, {third}, [third, fourth])
    found = moment.run({first: "a", second: "b", third: "c", fourth: "d"})
    assert found == {first: "a!", second: gr.update(choices=["a"]), third: "ab", fourth: "c"}


def test_a_part_that_fills_nothing_leaves_its_outputs(boxes: list[gr.Textbox]) -> None:
    moment = Moment()
    moment.add(lambda values: {}, {boxes[0]}, boxes[:1])
    assert moment.run({boxes[0]: "a"}) == {}


def test_a_part_that_fails_is_said_and_the_others_run(
    boxes: list[gr.Textbox], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", said.append)
    moment = Moment()
    moment.add(lambda one: one["missing"], boxes[0], boxes[0])
    moment.add(lambda: ("too", "many", "values"), None, boxes[:2])
    moment.add(lambda: "there", None, boxes[2])
    with caplog.at_level(logging.ERROR):
        assert moment.run({boxes[0]: "a"}) == {boxes[2]: "there"}
    assert said == [messages.NOT_FILLED_IN] * 2
    assert len(caplog.records) == 2


def test_all_tabs_together_are_one_listener_in_the_server_and_one_in_the_browser() -> None:
    with gr.Blocks() as page:
        boxes, opened = [gr.Textbox() for _ in range(3)], page.load(lambda: None)
        moment, scripts = Moment(), ScriptMoment()
        for box in boxes:
            moment.add(lambda one: one, box, box)
            scripts.add("(one) => one", [box], box)
        scripts.wire(moment.wire(opened))
        added = list(page.fns.values())[1:]
    assert [len(each.inputs) for each in added] == [len(each.outputs) for each in added] == [3, 3]
    assert [each.fn is None for each in added] == [False, True]
