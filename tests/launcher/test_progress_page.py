"""The progress page, served and fetched for real."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from launcher.progress import Progress
from launcher.progress_page import ProgressPage, is_listening
from launcher.setup_errors import explain_output


@pytest.fixture
def page(progress: Progress) -> Iterator[ProgressPage]:
    page = ProgressPage(progress, create_entry=lambda: None)
    page.open(0)
    yield page
    page.close()


def fetch(url: str, method: str = "GET", **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=5) as reply:
        assert reply.headers["X-Easel-Launch"] == "1"
        return reply.read().decode("utf-8")


def status_of(url: str, method: str = "GET", **headers: str) -> int:
    try:
        fetch(url, method, **headers)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def action(page: ProgressPage, name: str) -> str:
    return page.handover.replace("handover", name)


def test_it_needs_nothing_from_elsewhere(page: ProgressPage) -> None:
    html = fetch(page.url + "/")
    assert "Getting ready" in html and "__STATE__" not in html and "__TOKEN__" not in html
    assert set(re.findall(r"https?://[^'\"/ ]+", html)) <= {"http://www.w3.org"}, "only the name of SVG's namespace"


def test_it_tells_the_state_and_on_demand_the_log(page: ProgressPage) -> None:
    page.progress.note("</script><script>alert(1)</script>")
    state = json.loads(fetch(page.url + "/launch/state"))
    assert state["notes"] == ["</script><script>alert(1)</script>"]
    assert "log" not in state and state["entry"]
    assert "</script><script>alert" not in fetch(page.url + "/")
    assert json.loads(fetch(page.url + "/launch/state?log"))["log"][-1] == "</script><script>alert(1)</script>"


def test_only_this_computers_browser_and_its_own_page_are_served(page: ProgressPage) -> None:
    assert status_of(page.url + "/", Host=f"evil.example:{page.port}") == 403
    assert status_of(page.handover, "POST", Origin="http://evil.example") == 403
    assert status_of(page.handover, "POST", Origin="null") == 403
    assert status_of(f"{page.url}/launch/guess/handover", "POST") == 403
    assert status_of(action(page, "nonsense"), "POST") == 403
    assert status_of(page.url + "/file=/etc/passwd") == 404
    assert page.is_open


def test_a_busy_port_means_the_next_free_one(page: ProgressPage, progress: Progress) -> None:
    second = ProgressPage(progress)
    try:
        assert second.open(page.port) > page.port
    finally:
        second.close()


def test_after_the_handover_the_port_is_free_at_once(page: ProgressPage) -> None:
    assert fetch(page.handover, "POST") == "ok"
    assert not page.is_open
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", page.port))
        taker.listen()
        assert is_listening(page.url)


def test_it_can_be_opened_again_at_the_same_port(page: ProgressPage) -> None:
    port = page.port
    page.close()
    page.close()
    assert not is_listening(page.url)
    assert page.open(port) == port
    assert is_listening(page.url)


@pytest.mark.parametrize("choice", ["retry", "repair", "quit"])
def test_buttons_after_a_failure(page: ProgressPage, choice: str) -> None:
    page.progress.fail(explain_output(["dns error"]))
    done = threading.Event()

    def press() -> None:
        while not done.wait(0.1):
            fetch(action(page, choice), "POST")

    pressing = threading.Thread(target=press)
    pressing.start()
    assert page.wait_for_choice() == choice
    done.set()
    pressing.join()


def test_nobody_looking_is_quitting(page: ProgressPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.progress_page.ATTENTION", 0.0)
    assert page.wait_for_choice() == "quit"


def test_a_menu_entry_is_made_once(progress: Progress) -> None:
    made: list[str] = []
    page = ProgressPage(progress, create_entry=lambda: made.append("entry"))
    page.open(0)
    try:
        fetch(action(page, "entry"), "POST")
        fetch(action(page, "entry"), "POST")
        assert made == ["entry"]
        assert not json.loads(fetch(page.url + "/launch/state"))["entry"]
    finally:
        page.close()


def test_an_entry_that_cannot_be_made_is_said(progress: Progress) -> None:
    def refuse() -> None:
        raise PermissionError("no right to write there")

    page = ProgressPage(progress, create_entry=refuse)
    page.open(0)
    try:
        assert status_of(action(page, "entry"), "POST") == 500
    finally:
        page.close()


@pytest.mark.parametrize("url", ["", "http://127.0.0.1", "http://127.0.0.1:x", "nonsense"])
def test_no_address_answers_not(url: str) -> None:
    assert not is_listening(url)
