from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from engine.records.favourites import FILE, read, set_favourite


def test_marks_are_set_and_taken_away(tmp_path: Path) -> None:
    assert read(tmp_path / "none yet") == set()
    set_favourite(tmp_path, "a.png", True)
    set_favourite(tmp_path, "b.png", True)
    set_favourite(tmp_path, "a.png", False)
    assert read(tmp_path) == {"b.png"}


def test_a_line_that_is_not_utf8_costs_no_other_and_stays(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"a.png\n\xb0\xa1.png\n")
    set_favourite(tmp_path, "b.png", True)
    assert {"a.png", "b.png"} < read(tmp_path) and b"\xb0\xa1.png\n" in (tmp_path / FILE).read_bytes()


def test_marks_that_are_set_at_once_are_all_kept(tmp_path: Path) -> None:
    threads = [threading.Thread(target=set_favourite, args=(tmp_path, f"{number}.png", True)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(tmp_path)) == 20


def mark_many(outputs: Path, first: int) -> None:
    for number in range(first, first + 20):
        set_favourite(outputs, f"{number}.png", True)


def test_two_processes_lose_no_mark(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe\n\n# mine\n")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=mark_many, args=(tmp_path, 100 * number)) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert {f"{100 * number + each}.png" for number in range(2) for each in range(20)} < read(tmp_path)
    assert (tmp_path / FILE).read_bytes().startswith(b"\xff\xfe\n\n# mine\n")


@pytest.mark.parametrize(
    "name", [" a .png", "\u2028\x85.png", "\x1c\x0b.png", os.fsdecode(b"\xb0\xa1.png"), "\ud83d.png", "\0", "#"]
)
def test_every_name_is_kept(tmp_path: Path, name: str) -> None:
    set_favourite(tmp_path, "other.png", True)
    set_favourite(tmp_path, name, True)
    assert {name, "other.png"} <= read(tmp_path)
    set_favourite(tmp_path, name, False)
    assert read(tmp_path) == {"other.png"}


def test_a_file_from_a_windows_editor_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbfa.png\r\nb.png")
    set_favourite(tmp_path, "c.png", True)
    assert read(tmp_path) == {"a.png", "b.png", "c.png"}


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to itself", "a link to nothing"])
def test_what_is_no_file_is_moved_aside(tmp_path: Path, kind: str) -> None:
    path = tmp_path / FILE
    make = {"a folder": path.mkdir, "a pipe": lambda: os.mkfifo(path), "a link to itself": lambda: path.symlink_to(path)}
    make.get(kind, lambda: path.symlink_to("gone"))()
    assert read(tmp_path) == set()
    set_favourite(tmp_path, "a.png", True)
    assert read(tmp_path) == {"a.png"} and len(list(tmp_path.glob("favourites.unreadable-*"))) == 1
