"""The applications menu of a Linux desktop_entry."""

from __future__ import annotations

import configparser
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher import desktop_entry
from launcher.folder import Folder


def unescaped(value: str) -> str:
    """The first reading of a desktop file: the escapes that every value may hold."""
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "\\": "\\"}[found.group(1)], value)


def argument(quoted: str) -> str:
    """The second: one quoted argument of Exec, in which four signs stand behind a backslash and a percent sign is doubled."""
    read = unescaped(quoted)
    assert read[0] == read[-1] == '"'
    plain = re.sub(r"\\([\"`$\\])", r"\1", read[1:-1])
    assert not re.search(r'(?<!\\)["`$]', re.sub(r"\\.", "", read[1:-1])), "a bare sign would end the argument or start a command"
    return plain.replace("%%", "%")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\\"`$%'), min_size=1))
def test_any_path_survives_the_two_layers_of_quoting(name: str) -> None:
    assert argument(desktop_entry.quote_argument("/home/" + name)) == "/home/" + name


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no desktop entries")
def test_the_offer_makes_an_entry_and_is_not_repeated(folder: Folder, home: Path) -> None:
    make = desktop_entry.find_offer(folder)
    assert make is not None
    make()
    entry = home / ".local/share/applications/easel.desktop"
    read = configparser.RawConfigParser()
    read.optionxform = str  # type: ignore[assignment]
    read.read_string(entry.read_text("utf-8"))
    program, _, quoted = read["Desktop Entry"]["Exec"].partition(" ")
    assert (program, argument(quoted)) == ("sh", str(folder.root / "launch.sh"))
    assert read["Desktop Entry"]["Path"] == str(folder.root)
    assert desktop_entry.find_offer(folder) is None
    assert desktop_entry.find_offer(Folder(folder.root / "moved")) is not None
