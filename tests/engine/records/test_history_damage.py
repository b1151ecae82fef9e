"""History whatever one picture, the index, the disk or the clock is like: all other pictures are listed."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.errors import OutputError
from engine.json_values import JsonValue
from engine.records import history_file, outputs
from engine.records.history import History, Search
from engine.records.job_ids import create_job_id, read_submission_time
from engine.records.local_time import to_day
from engine.records.record import Record, to_text
from engine.requests import ExecutionPlan, Resolved, TextToImage

RESOLVED = Resolved(request=TextToImage(prompt="a cat", seed=1), plan=ExecutionPlan(), threads=1)
ODD: tuple[JsonValue, ...] = (None, True, -1, 10**400, 1.5e300, "", "\ud83d\0", [], [[1]], {}, {"a": {}}, "x" * 100_000)
FIELDS = ("format", "easel", "job", "index", "created", "source", "companions", "resolved")


def write_picture(path: Path, record: str) -> None:
    chunks = PngInfo()
    chunks.add_itxt("easel", record)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)


def list_names(history: History, search: Search | None = None) -> list[str]:
    list(history.refresh())
    return [entry.name for entry in history.find(search or Search())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    outputs.save(Image.new("RGB", (8, 8)), RESOLVED, outputs=tmp_path / "outputs", job="good", index=0)
    return tmp_path / "outputs"


@pytest.fixture
def history(folder: Path, tmp_path: Path) -> History:
    return History(folder, tmp_path / "data")


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_any_value_in_any_field_of_a_record_stops_no_other_picture(odd: JsonValue, history: History, folder: Path) -> None:
    written = json.loads(to_text(Record(resolved=RESOLVED, job="odd")))
    for field in FIELDS:
        write_picture(folder / f"{field}.png", json.dumps({**written, field: odd}))
    for field in written["resolved"]:
        write_picture(folder / f"resolved-{field}.png", json.dumps({**written, "resolved": {**written["resolved"], field: odd}}))
    for field in written["resolved"]["request"]:
        changed = {**written["resolved"], "request": {**written["resolved"]["request"], field: odd}}
        write_picture(folder / f"request-{field}.png", json.dumps({**written, "resolved": changed}))
    names = list_names(history)
    assert len(names) == sum(1 for _ in folder.rglob("*.png")) and any("good" in name for name in names)
    for entry in history.find(Search(), limit=100):
        f"{entry.name}{entry.prompt}{entry.checkpoint}".encode()
        to_day(entry.created)


@pytest.mark.parametrize("record", ["", "{", "[]", "[" * 10**5, "null", '"\\ud83d"', "\0", '{"resolved": 1}', "1e999"])
def test_a_record_that_is_none_stops_no_other_picture(record: str, history: History, folder: Path) -> None:
    write_picture(folder / "odd.png", record)
    assert len(list_names(history)) == 2


@pytest.mark.parametrize(
    "created", ["9999-12-31T23:59:59-12:00", "10000-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "-1", "now"]
)
def test_any_date_in_a_record_is_listed_on_some_day(created: str, history: History, folder: Path) -> None:
    write_picture(folder / "odd.png", to_text(Record(resolved=RESOLVED, job="odd", created=created)))
    assert len(list_names(history)) == 2
    assert all(len(day) == 10 for day, _ in history.days())
    assert "odd.png" in [name for day, _ in history.days() for name in list_names(history, Search(day=day))]


@pytest.mark.parametrize("seconds", [-62_000_000_000, -1, 0, 253_402_300_800, 8_000_000_000_000])
def test_any_time_of_a_file_is_listed(seconds: int, history: History, folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "odd.png")
    try:
        os.utime(folder / "odd.png", (seconds, seconds))
    except (OSError, OverflowError):
        pytest.skip("no file here can have such a time")
    assert len(list_names(history)) == 2 and len(list_names(history)) == 2


@pytest.mark.skipif(os.name == "nt", reason="made with POSIX calls")
def test_what_is_no_file_hides_no_picture(history: History, folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to(folder / "nowhere")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "folder.png").mkdir()
    (folder / "device.png").symlink_to("/dev/zero")
    for number in range(5):
        Image.new("RGB", (8, 8)).save(folder / f"picture {number}.png")
    assert len(list_names(history)) == 6


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no database": lambda path: path.write_bytes(b"no database" * 1000),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a pipe beside it": lambda path: os.mkfifo(f"{path}-wal"),
    "the kernel's log": lambda path: (path.unlink(), path.symlink_to("/proc/kmsg")),
    "half": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "another table": lambda path: change(path, "DROP TABLE pictures", "CREATE TABLE pictures (x)"),
    "no table": lambda path: change(path, "DROP TABLE favourites"),
    "another version": lambda path: change(path, "PRAGMA user_version = 77"),
    "a text for a time": lambda path: change(path, "UPDATE pictures SET created = 'soon'"),
    "a blob for a name": lambda path: change(path, "UPDATE pictures SET name = x'ff'"),
    "no UTF-8": lambda path: change(path, "UPDATE pictures SET prompt = CAST(x'ff' AS TEXT)"),
    "a huge number": lambda path: change(path, "UPDATE pictures SET width = 9e99"),
}


def change(path: Path, *statements: str) -> None:
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_index_is_rebuilt(damage: Callable[[Path], object], history: History, folder: Path, tmp_path: Path) -> None:
    assert len(list_names(history)) == 1
    history.close()
    damage(tmp_path / "data" / "history.db")
    again = History(folder, tmp_path / "data")
    assert len(list_names(again)) == 1 and again.trouble == ""
    assert [entry.prompt for entry in again.find(Search())] == ["a cat"] or damage is DAMAGES["no UTF-8"]


def test_an_index_that_is_damaged_while_it_is_open_is_rebuilt(history: History) -> None:
    assert len(list_names(history)) == 1
    history._db.execute("DROP TABLE pictures")
    assert history.find(Search()) == [] and len(list_names(history)) == 1
    history._db.execute("DROP TABLE favourites")
    assert len(list_names(history)) == 1


def test_without_a_place_for_the_index_history_works_and_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    history = History(folder, tmp_path / "file")
    assert len(list_names(history)) == 1 and "reads all pictures again" in history.trouble


def test_a_full_disk_is_said_and_leaves_no_open_transaction(history: History, folder: Path) -> None:
    assert len(list_names(history)) == 1
    pages = history._db.execute("PRAGMA page_count").fetchone()[0]
    history._db.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(30):
        write_picture(
            folder / f"{number}.png", to_text(Record(resolved=RESOLVED, job="odd", source={"easel": "x" * 1000}, easel="y"))
        )
    resolved = Resolved(request=TextToImage(prompt="word " * 5000, seed=1), plan=ExecutionPlan(), threads=1)
    outputs.save(Image.new("RGB", (8, 8)), resolved, outputs=folder, job="long", index=0)
    with pytest.raises(OutputError, match="Free some space"):
        list_names(history)
    assert not history._db.in_transaction and len(history.find(Search())) >= 1
    history._db.execute("PRAGMA max_page_count = 1000000")
    assert len(list_names(history)) == 32


def test_a_search_for_anything_finds_or_does_not(history: History) -> None:
    assert len(list_names(history, Search(words="cat a cat a"))) == 1
    for words in ("\ud83d", "\0", "\u202e", "cat " * 300_000, " ".join(map(str, range(5000))), "%_'\"\\"):
        found = list_names(history, Search(words=words))
        assert len(found) == (words == "\0" or set(words.split()) == {"cat"})
    assert list_names(history, Search(day="\ud83d\0", checkpoint="\udcff")) == []
    assert history.get("\udcff") is None


def test_pictures_are_listed_as_their_jobs_were_submitted_whatever_the_clock_said(history: History, folder: Path) -> None:
    latest, clock, names = "", 1_800_000_000.0, list[str]()
    for index in range(6):
        latest = create_job_id(latest, clock)
        written = to_text(Record(resolved=RESOLVED, job=latest, index=index % 2, created=f"20{30 - index}-01-01T12:00:00"))
        write_picture(folder / f"20{30 - index}-01-01" / f"000000-{latest}-{index % 2}-1.png", written)
        names.append(f"20{30 - index}-01-01/000000-{latest}-{index % 2}-1.png")
        clock -= 1_000_000
    assert [name for name in list_names(history) if "-j" in name] == names[::-1]
    days = [day for day, _ in history.days() if f"{day}/" in "".join(names)]
    assert days == [name[:10] for name in reversed(names)]
    outputs.keep_newest(folder, 2)
    assert {name for name in list_names(history) if "-j" in name} == set(names[-2:])


def test_ids_sort_as_they_were_made() -> None:
    ids = [""]
    for now in (2e9, 1e9, 0.0, -5.0, 2e9, 3e9, 1e30):
        ids.append(create_job_id(ids[-1], now))
    assert ids == sorted(ids) and read_submission_time("0123456789ab") is None
    assert read_submission_time(f"{ids[1]}-large") == 2e9
    assert create_job_id("another's", 2e9) and history_file.VERSION >= 2


def test_a_folder_that_is_away_for_a_while_costs_nothing(history: History, folder: Path) -> None:
    (name,) = list_names(history)
    history.set_favourite(name, True)
    folder.rename(folder.with_name("away"))
    assert history.is_folder_gone and list(history.refresh()) == []
    folder.with_name("away").rename(folder)
    assert list(history.refresh()) == [] and [entry.favourite for entry in history.find(Search())] == [True]
