"""What the Settings tab says to other programs and phones, and the keys that are made there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api import reach
from api.keys import is_key, read_keys
from api.reach import Reach, read_root_path
from engine.errors import RequestError
from ui import messages
from ui.tabs.settings.programs import describe_revoked_key, render_addresses, render_new_key


def test_a_phone_is_shown_a_code_only_where_it_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "find_network_address", lambda: "192.168.1.20")
    shown = render_addresses(Reach(7861, on_network=True, has_login=True))
    assert "http://192.168.1.20:7861" in shown and "<svg" in shown and "http://127.0.0.1:7861/v1" in shown
    assert messages.KEYS_HELP in shown
    alone = render_addresses(Reach(7861))
    assert "<svg" not in alone and "192.168" not in alone and "--listen" in alone
    monkeypatch.setattr(reach, "find_network_address", lambda: "")
    assert messages.NO_NETWORK in render_addresses(Reach(7861, on_network=True))


def test_a_key_is_shown_once_and_can_be_revoked(tmp_path: Path) -> None:
    (secret,) = re.findall(r"easel-[\w-]+", render_new_key(tmp_path, " notes "))
    assert is_key(tmp_path, secret) and list(read_keys(tmp_path)) == ["notes"]
    assert "already" in render_new_key(tmp_path, "notes") and "needs a name" in render_new_key(tmp_path, "  ")
    assert describe_revoked_key(tmp_path, None) == messages.NO_KEY_CHOSEN
    assert "“notes”" in describe_revoked_key(tmp_path, "notes") and not is_key(tmp_path, secret)
    assert "no key called" in describe_revoked_key(tmp_path, "notes")


def test_who_gets_in_without_a_password_makes_no_keys() -> None:
    assert Reach(on_network=True).is_open_to_all
    assert not Reach().is_open_to_all and not Reach(on_network=True, has_login=True).is_open_to_all


@pytest.mark.parametrize(
    ("written", "read"), [("", ""), ("/", ""), ("studio", "/studio"), ("/a/b/", "/a/b"), ("/a.b-c_d", "/a.b-c_d")]
)
def test_the_path_of_a_reverse_proxy_is_read(written: str, read: str) -> None:
    assert read_root_path(written) == read


@pytest.mark.parametrize("written", ["/a b", "https://example.com/x", "/a//b", "/../x", "/ü", "/a?b", "/a#b"])
def test_what_is_no_path_is_refused(written: str) -> None:
    with pytest.raises(RequestError, match="--root-path"):
        read_root_path(written)
