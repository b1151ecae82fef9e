from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import pytest

from engine.errors import CancelledError, EaselError
from engine.storage import regular_files
from engine.storage.items import read_each
from engine.storage.regular_files import NotRegular, open_regular_file, read_regular_file

ERRORS = (
    ValueError("x"), KeyError("x"), TypeError(), IndexError(), RecursionError(), MemoryError(), OverflowError(), AssertionError(),
    AttributeError(), struct.error("x"), zipfile.BadZipFile("x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
    StopIteration(), EOFError(), ZeroDivisionError(),
    NotImplementedError(), ImportError(), PermissionError(13, "Permission denied"),
    FileNotFoundError(2, "No such file"), OSError(5, "Input/output error"), OSError(), EaselError("Its own sentence."),
)  # fmt: skip


def fail_at(error: Exception, item: str) -> str:
    if item == "bad":
        raise error
    return item.upper()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_one_item_raises_is_its_own_sentence(error: Exception) -> None:
    found, troubles = read_each(["a", "bad", "b"], lambda item: fail_at(error, item), lambda item: f"item {item}")
    assert found == {"a": "A", "b": "B"} and troubles.keys() == {"bad"}
    sentence = troubles["bad"]
    assert sentence == "Its own sentence." or (sentence.startswith("“item bad” was left out: ") and sentence[-1] in ".?")


def test_stop_is_no_trouble_of_an_item() -> None:
    with pytest.raises(CancelledError):
        read_each(["bad"], lambda item: fail_at(CancelledError(), item))


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "zeros", "a file of the system", "a link to itself", "nothing"])
def test_only_regular_files_are_opened(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    links = {"zeros": "/dev/zero", "a file of the system": "/proc/self/environ", "a link to itself": path}
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind in links:
        path.symlink_to(links[kind])
    with pytest.raises(OSError) as caught:
        open_regular_file(path)
    assert isinstance(caught.value, NotRegular) == (kind not in ("a link to itself", "nothing"))


def test_a_link_to_a_file_is_one_and_a_large_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to("file")
    assert read_regular_file(tmp_path / "link", 100) == b"x" * 100
    with pytest.raises(ValueError, match="larger"):
        read_regular_file(tmp_path / "file", 99)


def test_a_system_that_lists_no_mounts_has_no_files_of_its_own(tmp_path: Path) -> None:
    assert regular_files._find_system_devices(tmp_path / "none") == frozenset()
