"""Patterns of file names: which are refused, and that whatever a part holds makes a name that is safe and tells images apart."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest

from engine.errors import OutputError
from engine.storage.name_pattern import DEFAULT, PARTS, check_pattern, fill_pattern

PLAIN = dict.fromkeys(PARTS, "x") | {"date": "2026-11-23", "time": "142530"}
HOSTILE = (
    "../../etc/passwd", "..", ".", "/root", "C:\\x", "\\\\host\\share", "~", ".hidden", "con", "NUL.txt", "com¹", "a\0b", "a\nb",
    "",    " ", "...", "a@b-0-1", "x" * 5000, "猫" * 500, "\ud800", "<>:\"|?*", "a ", "a.", "\u202egnp", "-rf",
)  # fmt: skip


@pytest.mark.parametrize(
    "pattern",
    [
        *("../{date}", "a/../b", "a/..", "..", ".", "./a", "/a", "~/a", "C:/a", "c:a", "a//b", "a\\b", "a/ /b", "/", "//"),
        *("{dat}", "{}", "{date", "date}", "{{date}}", "a:b", "a*", "a\0", "a\n", "a@b", "x" * 300, "a/" * 20, " .. /a"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_a_sentence_and_counts_as_none(pattern: str) -> None:
    with pytest.raises(OutputError, match=r"^The pattern for file names cannot be used: .+\."):
        check_pattern(pattern)
    assert fill_pattern(pattern, PLAIN, "j-0-5") == fill_pattern(DEFAULT, PLAIN, "j-0-5") == "2026-11-23/142530-j-0-5"


def test_parts_are_filled_in_and_the_tail_stays() -> None:
    check_pattern("{checkpoint}/{year}/{date} {prompt}")
    assert fill_pattern("{checkpoint}/{date} {prompt}", PLAIN, "j-0-5") == "x/2026-11-23 x@j-0-5"
    assert fill_pattern("", PLAIN, "j-0-5") == "2026-11-23/142530-j-0-5"
    assert fill_pattern("{prompt}/", PLAIN, "j-0-5") == "x/@j-0-5"


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "pattern", ["{prompt}/{prompt}", "{prompt}", "a{prompt}/{checkpoint}{prompt}", "{date}/{prompt}.{prompt}"]
)
def test_whatever_a_part_holds_the_name_stays_in_the_folder(pattern: str, value: str) -> None:
    name = fill_pattern(pattern, {**PLAIN, "prompt": value}, "j-0-5")
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        assert not path.is_absolute() and not path.drive and not path.root
        assert not {"..", "."} & set(path.parts) and len(path.parts) == pattern.count("/") + 1
    for part in name.split("/"):
        assert part and not part.startswith(".") and part == part.strip() and part[-1] not in " ." and len(part.encode()) <= 160
        assert not PureWindowsPath(part).is_reserved()
    assert name.endswith(("@j-0-5", "-j-0-5"))
