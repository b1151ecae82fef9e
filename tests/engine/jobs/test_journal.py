"""The journal alone: the order of jobs, rows that cannot be read, and files of other versions."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import OutputError
from engine.events import Result
from engine.jobs.journal import CANCELLED, FAILED, FINISHED, QUEUED, RUNNING, UPGRADES, Journal
from engine.requests import ImageToImage, TextToImage, to_json

OLD_DATA = Path(__file__).resolve().parents[2] / "old_data" / "data"
ODD_TEXTS = ("half an emoji \ud83d", os.fsdecode(b"GBK \xb0\xa1"), "NUL \0 and \u202e", "Grüße")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as opened:
        yield opened


def add(journal: Journal, *jobs: str, page: str = "") -> None:
    for job in jobs:
        journal.add(job, page, TextToImage(prompt=job, seed=1))


def run(journal: Journal, job: str) -> None:
    journal.start(job)
    journal.end(job, FINISHED)


def test_jobs_of_one_page_run_in_the_order_in_which_they_came(journal: Journal) -> None:
    add(journal, "a", "b", "c")
    assert journal.order() == ["a", "b", "c"]
    run(journal, "a")
    state = journal.find_next()
    assert state is not None and state.id == "b" and journal.order() == ["b", "c"]


def test_pages_take_turns_and_one_that_was_never_served_comes_first(journal: Journal) -> None:
    add(journal, "greedy 0", page="greedy")
    add(journal, "modest 0", page="modest")
    run(journal, "modest 0")
    run(journal, "greedy 0")
    add(journal, "greedy 1", "greedy 2", "greedy 3", page="greedy")
    add(journal, "modest 1", "modest 2", page="modest")
    add(journal, "new 1", page="new")
    assert journal.order() == ["new 1", "modest 1", "greedy 1", "modest 2", "greedy 2", "greedy 3"]
    run(journal, "new 1")
    assert journal.order() == ["modest 1", "greedy 1", "modest 2", "greedy 2", "greedy 3"]
    run(journal, "modest 1")
    assert journal.order() == ["greedy 1", "modest 2", "greedy 2", "greedy 3"]
    add(journal, "new 2", page="new")
    assert journal.order()[:3] == ["greedy 1", "new 2", "modest 2"], "the one that was served longest ago comes first"


def test_a_page_whose_jobs_never_started_is_served_before_one_whose_job_runs(journal: Journal) -> None:
    add(journal, "greedy 0", page="greedy")
    add(journal, "modest 0", page="modest")
    journal.start("greedy 0")
    journal.end("modest 0", CANCELLED)
    add(journal, "greedy 1", page="greedy")
    add(journal, "modest 1", page="modest")
    assert journal.order() == ["modest 1", "greedy 1"]


def test_what_was_begun_or_moved_runs_before_all_that_wait(journal: Journal) -> None:
    add(journal, "a", "b", page="one")
    add(journal, "c", "d", page="two")
    journal.start("d")
    journal.requeue("d")
    assert journal.order() == ["d", "a", "c", "b"] and journal.get("d").attempt == 1
    journal.move_to_front("b")
    journal.move_to_front("c")
    assert journal.order() == ["c", "b", "d", "a"]
    run(journal, "a")
    journal.move_to_front("a")
    assert journal.get("a").state == FINISHED and "a" not in journal.order()


def test_an_attempt_that_was_not_the_jobs_fault_is_forgotten(journal: Journal) -> None:
    add(journal, "a", "b")
    journal.start("b")
    journal.requeue("b", forget_attempt=True)
    assert journal.get("b").attempt == 0 and journal.order() == ["a", "b"]


def test_a_clock_that_was_set_back_reorders_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    for job, clock in (("a", now), ("b", now - 86_400), ("c", now - 3600), ("d", now - 3600)):
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        add(journal, job)
    assert journal.order() == ["a", "b", "c", "d"]
    assert [state.id for state in journal.list()] == ["d", "c", "b", "a"]


def test_jobs_are_listed_by_state_and_page(journal: Journal) -> None:
    add(journal, "a", "b", page="one")
    add(journal, "c", page="two")
    journal.start("a")
    journal.end("c", FAILED, error="It failed.", kind="EaselError")
    assert [state.id for state in journal.list((QUEUED, RUNNING))] == ["b", "a"]
    assert [state.id for state in journal.list(page="two")] == ["c"]
    assert [state.id for state in journal.list(limit=2)] == ["c", "b"]
    assert journal.get("c").over and not journal.get("a").over and journal.get("c").error == "It failed."


def test_drafts_that_ended_a_while_ago_are_forgotten_and_no_others(journal: Journal) -> None:
    add(journal, "old", "new", "waiting", page="sketch")
    add(journal, "other", page="another")
    for job in ("old", "other", "new"):
        run(journal, job)
        journal.set_depth(job, "d" * 64)
        journal.add_result(job, 0, Result(path=Path("a.png"), seed=1, width=8, height=8, seconds=1.0))
    journal._db.execute("UPDATE jobs SET ended = ended - 100 WHERE id IN ('old', 'other')")
    journal.forget("sketch")
    assert journal.read_ids() == {"new", "waiting", "other"}
    for table in ("results", "guides"):
        assert {job for (job,) in journal._db.execute(f"SELECT job FROM {table}")} == {"new", "other"}


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_every_text_comes_back_as_it_was(path: Path, text: str) -> None:
    with closing(Journal(path)) as journal:
        journal.add("a", text, TextToImage(prompt=text, seed=1))
        journal.add_notice("a", text)
        journal.add_notice("a", text)
        journal.add_result("a", 0, Result(path=Path("outputs", text), seed=1, width=8, height=8, seconds=1.0))
        journal.end("a", FAILED, error=text, kind="EaselError")
        with pytest.raises(KeyError):
            journal.get(text)
        journal.move_to_front(text)
    with closing(Journal(path)) as journal:
        (state,) = journal.list(page=text)
        assert (state.request.prompt, state.notices, state.error) == (text, (text,), text)
        assert state.results[0].path == Path("outputs", text)
        journal.forget(text, older=-1)
        assert journal.list() == []


# Rows that cannot be read

DAMAGES: dict[str, Callable[[sqlite3.Connection], object]] = {
    "broken JSON": lambda db: db.execute("UPDATE jobs SET request = '{' WHERE id = 'b'"),
    "a list": lambda db: db.execute("UPDATE jobs SET request = '[1]' WHERE id = 'b'"),
    "no text": lambda db: db.execute("UPDATE jobs SET request = x'00ff' WHERE id = 'b'"),
    "not UTF-8": lambda db: db.execute("UPDATE jobs SET request = CAST(x'b0a1' AS TEXT) WHERE id = 'b'"),
    "nested deeply": lambda db: db.execute("UPDATE jobs SET request = ? WHERE id = 'b'", ("[" * 100_000,)),
    "an unknown kind": lambda db: db.execute("UPDATE jobs SET request = ? WHERE id = 'b'", (rewrite(kind="text_to_video"),)),
    "a wrong type": lambda db: db.execute("UPDATE jobs SET request = ? WHERE id = 'b'", (rewrite(count="many"),)),
    "an unknown state": lambda db: db.execute("UPDATE jobs SET state = 'dreaming' WHERE id = 'b'"),
    "a place that is no number": lambda db: db.execute("UPDATE jobs SET place = 'first' WHERE id = 'b'"),
    "broken notices": lambda db: db.execute("UPDATE jobs SET notices = '[' WHERE id = 'b'"),
}


def rewrite(**fields: str) -> str:
    return json.dumps({**to_json(TextToImage(prompt="b", seed=1)), **fields})


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_row_that_cannot_be_read_stays_and_the_others_run(path: Path, damage: str) -> None:
    with closing(Journal(path)) as journal:
        add(journal, "a", "b", "c")
    with closing(sqlite3.connect(path)) as db, db:
        DAMAGES[damage](db)
        row = db.execute("SELECT * FROM jobs WHERE id = 'b'").fetchall() if damage != "not UTF-8" else None
    with closing(Journal(path)) as journal:
        assert journal.order() == ["a", "c"] and [state.id for state in journal.list()] == ["c", "a"]
        (trouble,) = journal.troubles
        assert "One job" in trouble and str(path) in trouble
        run(journal, "a")
        run(journal, "c")
        assert journal.find_next() is None
    with closing(sqlite3.connect(path)) as db:
        assert row is None or db.execute("SELECT * FROM jobs WHERE id = 'b'").fetchall() == row
        assert db.execute("SELECT COUNT(*) FROM jobs").fetchone() == (3,)


def test_a_finished_job_of_an_unknown_kind_is_reported_at_the_start(path: Path) -> None:
    with closing(Journal(path)) as journal:
        add(journal, "a", "b")
        run(journal, "b")
        assert journal.troubles == ()
    with closing(sqlite3.connect(path)) as db, db:
        DAMAGES["an unknown kind"](db)
    with closing(Journal(path)) as journal:
        assert "One job" in journal.troubles[0]


# Files of other versions


def test_the_journal_from_before_versions_is_upgraded_with_a_copy(path: Path) -> None:
    shutil.copytree(OLD_DATA, path.parent)
    with closing(sqlite3.connect(OLD_DATA.parent / "data" / "journal.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (0,)
    with closing(Journal(path)) as journal:
        assert journal.troubles == () and len(journal.list(limit=1000)) > 5
        before = journal.list(limit=1000)
    (copy,) = path.parent.glob("journal.version-0-*.db")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(UPGRADES),)
    with closing(Journal(copy)) as journal:
        assert journal.list(limit=1000) == before


def test_a_journal_of_a_newer_version_is_moved_aside_and_said(path: Path) -> None:
    with closing(Journal(path)) as journal:
        add(journal, "a")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with closing(Journal(path)) as journal:
        assert journal.list() == []
        (trouble,) = journal.troubles
    (aside,) = path.parent.glob("journal.newer-*.db")
    assert "newer version" in trouble and str(aside) in trouble and "rename" in trouble
    with closing(sqlite3.connect(aside)) as db:
        assert db.execute("SELECT id FROM jobs").fetchall() == [("a",)]


def test_a_damaged_journal_is_moved_aside_and_said(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 300)
    with closing(Journal(path)) as journal:
        add(journal, "a")
        (trouble,) = journal.troubles
    (aside,) = path.parent.glob("journal.damaged-*.db")
    assert "damaged" in trouble and str(aside) in trouble and "History" in trouble


def test_a_journal_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="journal"):
        Journal(tmp_path / "file" / "journal.db")


def test_the_blobs_of_all_rows_are_found_readable_or_not(path: Path) -> None:
    sketch, mask, depth = (digit * 64 for digit in "abc")
    with closing(Journal(path)) as journal:
        journal.add("a", "", ImageToImage(init_image=sketch, mask_image=mask, seed=1))
        journal.set_depth("a", depth)
        journal._db.execute("UPDATE jobs SET request = REPLACE(request, 'image_to_image', 'image_to_video')")
        assert journal.find_blobs() == {sketch, mask, depth} and journal.read_ids() == {"a"}
