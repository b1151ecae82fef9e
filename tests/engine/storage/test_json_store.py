from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from engine.json_values import JsonValue
from engine.storage import json_store
from engine.storage.json_store import JsonStore, UnreadableFile

UNREADABLE = {
    "cut off": b'{"a": 1, "b',
    "a list": b"[1, 2]",
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "nested deeply": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a huge number": b'{"a": ' + b"9" * 10_000 + b"}",
    "empty": b"",
    "a folder": None,
    "a pipe": None,
    "a link to itself": None,
}


def parse_int(value: JsonValue) -> int:
    if not isinstance(value, int):
        raise ValueError("not a number")
    return value


def create_store(path: Path) -> JsonStore[int]:
    return JsonStore(path, parse_int, lambda value: value)


def count_up(path: Path, times: int) -> None:
    for _ in range(times):
        create_store(path).update(lambda entries: {"count": entries.get("count", 0) + 1})


def place(path: Path, kind: str) -> None:
    content = UNREADABLE[kind]
    if content is not None:
        path.write_bytes(content)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path)


def test_entries_are_set_and_removed(tmp_path: Path) -> None:
    store = create_store(tmp_path / "data" / "numbers.json")
    assert store.read() == {}
    store.update(lambda entries: {"a": 1, "b": 2})
    store.update(lambda entries: {"a": None, "c": sum(entries.values())})
    assert store.read() == {"b": 2, "c": 3}


@pytest.mark.parametrize("key", ["Bäume", os.fsdecode(b"GBK \xb0\xa1"), "half an emoji \ud83d", "\0\u202e"])
def test_every_text_is_kept(tmp_path: Path, key: str) -> None:
    create_store(tmp_path / "numbers.json").update(lambda entries: {key: 1})
    assert create_store(tmp_path / "numbers.json").read() == {key: 1}


def test_entries_of_another_type_are_not_returned_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    path.write_text('{"a": 1, "later": {"version": 2}}')
    create_store(path).update(lambda entries: {"b": len(entries)})
    assert create_store(path).read() == {"a": 1, "b": 1}
    assert json.loads(path.read_text())["later"] == {"version": 2}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_cannot_be_read_is_not_taken_for_an_empty_one_and_is_moved_aside(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "numbers.json"
    place(path, kind)
    for _ in range(2):
        with pytest.raises(UnreadableFile, match="numbers"):
            create_store(path).read()
    create_store(path).update(lambda entries: {"a": 2})
    assert create_store(path).read() == {"a": 2}
    (aside,) = tmp_path.glob("numbers.unreadable-*.json")
    assert UNREADABLE[kind] is None or aside.read_bytes() == UNREADABLE[kind]


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_store, "MAX_BYTES", 100)
    (tmp_path / "numbers.json").write_text(json.dumps({str(number): number for number in range(50)}))
    with pytest.raises(UnreadableFile, match="larger"):
        create_store(tmp_path / "numbers.json").read()


def test_two_processes_lose_no_update(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count_up, args=(path, 40)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert create_store(path).read() == {"count": 120}
