"""The stamp: what makes an environment count as done."""

from __future__ import annotations

import json

import pytest

from launcher.folder import Folder, read_json, write_json


@pytest.fixture
def ready(this_python: Folder) -> Folder:
    this_python.mark_unfinished()
    this_python.mark_ready({"heif"})
    return this_python


def test_a_finished_environment_is_ready_for_the_extras_that_it_has(ready: Folder) -> None:
    assert ready.is_ready(set())
    assert ready.is_ready({"heif"})
    assert not ready.is_ready({"heif", "test"})
    assert ready.installed_extras() == {"heif"}


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_new_requirements_make_it_unready(ready: Folder, name: str) -> None:
    (ready.root / name).write_text("other", "utf-8")
    assert not ready.is_ready(set())


def test_other_line_endings_do_not(ready: Folder) -> None:
    path = ready.root / "pyproject.toml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert ready.is_ready(set())


def test_one_that_was_cut_off_is_not_ready(ready: Folder) -> None:
    ready.mark_unfinished()
    assert not ready.is_ready(set())
    assert ready.installed_extras() == {"heif"}, "the next set-up brings back what was asked for"


def test_one_whose_python_is_gone_is_not_ready(ready: Folder) -> None:
    ready.python.unlink()
    assert not ready.is_ready(set())


@pytest.mark.parametrize("text", ["", '{"finger', "[]", "null"])
def test_a_stamp_that_was_cut_off_counts_as_none(ready: Folder, text: str) -> None:
    ready.stamp.write_text(text, "utf-8")
    assert not ready.is_ready(set())
    assert ready.installed_extras() == set()


def test_nothing_is_ready_before_the_first_start(folder: Folder) -> None:
    assert not folder.is_ready(set())
    folder.delete_environment()
    assert folder.version == "1.2.3"


def test_json_is_written_whole(folder: Folder) -> None:
    path = folder.root / "é.json"
    write_json(path, {"a": "ü"})
    assert read_json(path) == {"a": "ü"}
    assert json.loads(path.read_text("utf-8")) == {"a": "ü"}
    assert [p.name for p in folder.root.glob("*.part")] == []
