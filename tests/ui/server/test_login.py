"""Guesses are braked, and nobody can keep the owner out of this computer's own page."""

from __future__ import annotations

import base64

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from tests.ui import run_async
from ui.server.login import ADDRESSES, FIRST_PAUSE, GUESSES, LONGEST_PAUSE, WINDOW, Brake, has_login
from ui.server.request_guard import RequestGuard

LOGIN = "ann:pässword:1"
AFAR = "192.168.0.7"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def say(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("the page")(scope, receive, send)


def ask(guard: RequestGuard, address: str, login: str | None) -> tuple[int, dict[str, str]]:
    """Status and headers of one request from ``address``."""
    headers = [(b"host", b"127.0.0.1:7860")] + ([(b"authorization", say(login).encode())] if login is not None else [])
    scope = {"type": "http", "method": "GET", "path": "/", "client": (address, 5), "headers": headers}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    run_async.run(guard(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.fixture
def guard() -> RequestGuard:
    return RequestGuard(page, login=LOGIN)


def guess(guard: RequestGuard, address: str, count: int = GUESSES) -> list[int]:
    return [ask(guard, address, f"ann:{number}")[0] for number in range(count)]


def test_after_ten_wrong_logins_an_address_waits_whatever_it_says(guard: RequestGuard) -> None:
    assert guess(guard, AFAR) == [401] * GUESSES
    for login in ("ann:wrong", LOGIN, None):
        status, headers = ask(guard, AFAR, login)
        assert status == 429 and 0 < int(headers["retry-after"]) <= FIRST_PAUSE
    assert ask(guard, "192.168.0.8", LOGIN)[0] == 200, "another address is not concerned"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.0.0.9", "::ffff:127.0.0.1"])
def test_nobody_keeps_the_owner_out_of_this_computer(guard: RequestGuard, address: str) -> None:
    guess(guard, AFAR)
    guess(guard, address)
    assert ask(guard, address, "ann:wrong")[0] == 429
    assert ask(guard, address, LOGIN)[0] == 200


def test_a_request_without_a_login_is_no_guess(guard: RequestGuard) -> None:
    assert {ask(guard, AFAR, None)[0] for _ in range(3 * GUESSES)} == {401}
    assert ask(guard, AFAR, LOGIN)[0] == 200


def test_each_wait_is_longer_and_a_quiet_hour_forgives() -> None:
    clock = Clock()
    brake = Brake(clock)
    waits: list[float] = []
    for _ in range(9):
        for _ in range(GUESSES):
            assert brake.seconds_left(AFAR) == 0
            brake.count_wrong(AFAR)
        waits.append(brake.seconds_left(AFAR))
        clock.now += waits[-1]
    assert waits[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE] and waits[-1] == LONGEST_PAUSE
    clock.now += LONGEST_PAUSE + 1
    for _ in range(GUESSES):
        brake.count_wrong(AFAR)
    assert brake.seconds_left(AFAR) == FIRST_PAUSE


def test_slow_guesses_are_answered() -> None:
    clock = Clock()
    brake = Brake(clock)
    for _ in range(5 * GUESSES):
        brake.count_wrong(AFAR)
        clock.now += WINDOW / (GUESSES - 2)
    assert brake.seconds_left(AFAR) == 0


def test_one_network_of_ipv6_is_one_address_and_the_memory_of_addresses_is_bounded() -> None:
    brake = Brake(Clock())
    for number in range(GUESSES):
        brake.count_wrong(f"2001:db8::{number:x}")
    assert brake.seconds_left("2001:db8::ffff") > 0 and brake.seconds_left("2001:db8:0:1::1") == 0
    for number in range(2 * ADDRESSES):
        brake.count_wrong(f"10.0.{number // 256}.{number % 256}")
    assert len(brake._known) == ADDRESSES


def test_only_the_whole_login_is_right() -> None:
    assert has_login(say(LOGIN), LOGIN)
    for wrong in (
        "",
        say("ann:pässword:"),
        say("ann:pässword:12"),
        say("Ann:pässword:1"),
        LOGIN,
        say(LOGIN) + " ",
        "Basic \udcff",
    ):
        assert not has_login(wrong, LOGIN)
