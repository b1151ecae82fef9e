"""Keys, and who may use the API when Easel has a login."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.keys import FILE, create_key, is_key, read_keys, revoke_key
from engine.errors import RequestError
from tests.api.serving import Served, serve_api

LOGIN = "ann:secret word"
ELSEWHERE = "https://notes.example"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_api(tmp_path_factory.mktemp("locked"), login=LOGIN, known_as=["Easel.Home"], origins=[ELSEWHERE]) as served:
        yield served


def ask(served: Served, path: str = "/v1/models", method: str = "GET", **headers: str) -> httpx.Response:
    return httpx.request(method, f"{served.url}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()}, timeout=60)


def basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def test_keys_are_kept_as_digests_and_can_be_revoked(tmp_path: Path) -> None:
    secret = create_key(tmp_path, "notes")
    assert is_key(tmp_path, secret) and not is_key(tmp_path, secret + "x") and not is_key(tmp_path, "")
    assert secret not in (tmp_path / FILE).read_text("utf-8")
    other = create_key(tmp_path, "second")
    for name in ("notes", "", " ", "x" * 101):
        with pytest.raises(RequestError):
            create_key(tmp_path, name)
    revoke_key(tmp_path, "notes")
    assert not is_key(tmp_path, secret) and is_key(tmp_path, other) and list(read_keys(tmp_path)) == ["second"]
    with pytest.raises(RequestError):
        revoke_key(tmp_path, "notes")


@pytest.mark.parametrize("content", ["", "[]", "{", json.dumps({"a": 1, "b": {"digest": 5}}), json.dumps({"a": {"digest": ""}})])
def test_a_damaged_file_lets_nobody_in(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    assert not is_key(tmp_path, "") and not is_key(tmp_path, "anything")


def test_password_and_keys_let_in_and_nothing_else_does(locked: Served) -> None:
    key = create_key(locked.settings.data, "client")
    good = (basic(LOGIN), "Bearer secret word", f"bearer {key}", basic(f"anybody:{key}"))
    assert [ask(locked, Authorization=value).status_code for value in good] == [200] * 4
    wrong = ("Basic", "Basic !", "Bearer", "Bearer x", basic("ann:wrong"), basic("bob:secret word"), "Digest secret word")
    assert [ask(locked, Authorization=value).status_code for value in wrong] == [401] * 7
    revoke_key(locked.settings.data, "client")
    assert ask(locked, Authorization=f"Bearer {key}").status_code == 401


def test_whether_it_lives_is_said_without_a_login_and_nothing_else(locked: Served) -> None:
    health = "/easel/v1/health"
    assert ask(locked, health).json() == {"status": "ok"}
    assert "version" in ask(locked, health, Authorization="Bearer secret word").json()
    assert ask(locked, health, Authorization="Bearer wrong").status_code == 401


def test_a_refusal_has_the_shape_that_clients_read(locked: Served) -> None:
    openai, a1111 = ask(locked), ask(locked, "/sdapi/v1/options")
    assert openai.json()["error"]["code"] == "invalid_api_key" and "Basic" in openai.headers["WWW-Authenticate"]
    assert a1111.status_code == 401 and a1111.json()["detail"]
    assert ask(locked, "/").text.startswith("Easel needs")


def test_only_names_that_the_owner_gave_are_known(locked: Served) -> None:
    good, bearer = "easel.home:7860", "Bearer secret word"
    assert ask(locked, Host=good, Authorization=bearer).status_code == 200
    assert ask(locked, Host="evil.example", Authorization=bearer).status_code == 403
    assert ask(locked, Host=good, Origin="https://easel.home:7860", Authorization=bearer).status_code == 200


def test_another_page_may_use_the_api_only_if_the_owner_says_so(locked: Served) -> None:
    bearer = "Bearer secret word"
    preflight = ask(locked, method="OPTIONS", Origin=ELSEWHERE, Access_Control_Request_Method="POST")
    assert preflight.status_code == 200 and preflight.headers["Access-Control-Allow-Origin"] == ELSEWHERE
    answer = ask(locked, Origin=ELSEWHERE, Sec_Fetch_Site="cross-site", Authorization=bearer)
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == ELSEWHERE
    assert ask(locked, Origin=ELSEWHERE).status_code == 401
    assert ask(locked, "/", Origin=ELSEWHERE, Authorization=bearer).status_code == 403
    other = ask(locked, Origin="https://evil.example", Authorization=bearer)
    assert other.status_code == 403 and "Access-Control-Allow-Origin" not in other.headers


def test_without_a_login_any_authorization_is_ignored(tmp_path: Path) -> None:
    with serve_api(tmp_path) as served:
        assert [ask(served, Authorization=value).status_code for value in ("", "Basic", "Bearer x")] == [200] * 3


def test_a_body_of_a_gigabyte_is_refused_before_it_comes(locked: Served) -> None:
    connection = http.client.HTTPConnection(locked.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/sdapi/v1/txt2img")
    for name, value in {"Content-Length": str(2**30), "Authorization": "Bearer secret word"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and "MB" in json.loads(answer.read())["detail"]
    connection.close()
