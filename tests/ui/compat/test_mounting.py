"""What the page leaves out of Gradio's: descriptions for other clients, and sums of what every event took."""

import json

import gradio as gr
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ui.compat.mounting import Page, mount


def create_page() -> tuple[Page, TestClient]:
    with Page() as page:
        words, said = gr.Textbox(), gr.Textbox()
        words.change(lambda text: text, words, said)
    page.queue(default_concurrency_limit=None, api_open=False)
    return page, TestClient(mount(FastAPI(), page), base_url="http://127.0.0.1")


def test_the_page_brings_no_description_of_its_listeners() -> None:
    _, client = create_page()
    with client:
        described = client.get("/").text.partition("window.gradio_api_info = ")[2].partition(";</script>")[0]
    assert json.loads(described) == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_events_are_answered_and_never_summed_up() -> None:
    page, client = create_page()
    (listener,) = page.fns.values()
    with client:
        for number in range(3):
            body = {
                "data": [str(number)],
                "fn_index": listener._id,
                "session_hash": "one",
                "event_data": None,
                "trigger_id": None,
            }
            client.post("/gradio_api/queue/join", json=body).raise_for_status()
            assert f'"{number}"' in client.get("/gradio_api/queue/data", params={"session_hash": "one"}).text
    queue = page._queue
    assert queue.events_recorded == 3, "Gradio counts its events elsewhere"
    assert queue.cached_event_analytics_summary == {"functions": {}}, "Gradio sums up events by another switch"
