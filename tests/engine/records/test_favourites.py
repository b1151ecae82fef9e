from __future__ import annotations

import threading
from pathlib import Path

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
