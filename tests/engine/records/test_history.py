"""The index over the outputs folder: it follows the folder, and can be thrown away."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from PIL import Image

from engine.records import favourites, inspect_file, outputs
from engine.records.history import History, Search
from engine.records.images.thumbnails import SIDE
from engine.requests import ExecutionPlan, Resolved, TextToImage, Upscale, complete_upscale

ALL = Search()


def save(folder: Path, job: str, prompt: str = "a cat", side: int = 64, **asked: str) -> Path:
    request = TextToImage(**{"prompt": prompt, "seed": 1, "width": side, "height": side, "checkpoint": "starter", **asked})  # type: ignore[arg-type]
    resolved = Resolved(request=request, plan=ExecutionPlan(), threads=1)
    return outputs.save(Image.new("RGB", (side, side), "teal"), resolved, outputs=folder, job=job, index=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


@pytest.fixture
def history(folder: Path, tmp_path: Path) -> History:
    return History(folder, tmp_path / "data")


def found(history: History, search: Search = ALL) -> list[str]:
    list(history.refresh())
    return [entry.name for entry in history.find(search)]


def test_pictures_that_come_go_and_change_by_hand_are_noticed(history: History, folder: Path) -> None:
    assert found(history) == [] and history.count(ALL) == 0
    first, second = save(folder, "one"), save(folder, "two", "a dog")
    assert len(found(history)) == 2
    (folder / "kept").mkdir()
    moved = shutil.move(first, folder / "kept" / first.name)
    second.unlink()
    assert found(history) == [Path(moved).relative_to(folder).as_posix()]
    Image.new("RGB", (40, 30)).save(folder / "from elsewhere.jpg")
    entry = next(e for e in (found(history), history.find(ALL))[1] if e.name == "from elsewhere.jpg")
    assert (entry.width, entry.height, entry.prompt) == (40, 30, "")


def test_search_by_words_checkpoint_day_and_mark(history: History, folder: Path) -> None:
    cat = save(folder, "one", "a CAT on the Beach", negative_prompt="rain")
    dog = save(folder, "two", "a dog", checkpoint="dreamy")
    names = {path: path.relative_to(folder).as_posix() for path in (cat, dog)}
    assert len(found(history)) == 2
    assert found(history, Search(words="beach cat")) == [names[cat]]
    assert found(history, Search(words="RAIN")) == [names[cat]] and not found(history, Search(words="cat dog"))
    assert found(history, Search(words="100%")) == [] and found(history, Search(words="'; DROP TABLE pictures")) == []
    assert found(history, Search(checkpoint="dreamy")) == [names[dog]]
    ((day, count),) = history.days()
    assert count == 2 and history.checkpoints() == ["dreamy", "starter"]
    assert len(found(history, Search(day=day[:7]))) == 2 and not found(history, Search(day="1999"))
    history.set_favourite(names[dog], True)
    assert found(history, Search(favourites=True)) == [names[dog]] and history.find(ALL)[0].favourite
    history.set_favourite(names[dog], False)
    assert not found(history, Search(favourites=True))


def test_an_upscaled_picture_is_found_by_the_words_of_the_picture_before(history: History, folder: Path) -> None:
    first = save(folder, "one", "a cat on the beach", negative_prompt="rain")
    upscaled = Resolved(
        request=complete_upscale(
            Upscale(images=("0" * 64,)), image="0" * 64, upscaler="built in", width=256, height=256, tile=64, seed=1
        ),
        plan=ExecutionPlan(),
        threads=1,
    )
    for job, source in (("two", first), ("three", None)):
        texts = inspect_file.texts(source) if source else {"easel": "{"}
        last = outputs.save(Image.new("RGB", (256, 256)), upscaled, outputs=folder, job=job, index=0, source=texts)
    names = found(history, Search(words="beach RAIN"))
    assert len(names) == 2 and last.name not in [name.rpartition("/")[2] for name in names] and len(found(history)) == 3


def test_the_index_is_made_again_from_the_files_and_the_marks_stay(history: History, folder: Path, tmp_path: Path) -> None:
    path = save(folder, "one")
    before = found(history)
    history.set_favourite(before[0], True)
    (folder / "away").mkdir()
    shutil.move(path, folder / "away" / path.name)
    history.close()
    (tmp_path / "data" / "history.db").write_bytes(b"this is no database" * 100)
    for ending in ("-wal", "-shm"):
        (tmp_path / "data" / f"history.db{ending}").unlink(missing_ok=True)
    again = History(folder, tmp_path / "data")
    assert found(again, Search(favourites=True)) == [f"away/{path.name}"]
    assert favourites.read(folder) == {path.name}


def test_what_is_no_picture_is_left_out(history: History, folder: Path) -> None:
    folder.mkdir()
    (folder / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
    (folder / "note.txt").write_text("hello")
    (folder / ".hidden.png").write_bytes(b"")
    assert found(history) == [] and list(history.refresh()) == []


def test_a_thumbnail_is_made_once_and_goes_with_its_picture(history: History, folder: Path) -> None:
    path = save(folder, "large", side=2 * SIDE)
    (name,) = found(history)
    small = history.thumbnails.of(path)
    with Image.open(small) as opened:
        assert opened.size == (SIDE, SIDE)
    stamp = small.stat().st_mtime_ns
    assert history.thumbnails.of(path) == small and small.stat().st_mtime_ns == stamp
    path.unlink()
    history.forget(name)
    assert not small.exists() and not history.find(ALL)
    tiny = save(folder, "tiny")
    assert history.thumbnails.of(tiny) == tiny


@pytest.mark.long
def test_ten_thousand_pictures(history: History, folder: Path) -> None:
    path = save(folder, "one", "a cat on the beach")
    for number in range(10_000):
        (folder / f"{number % 50}").mkdir(exist_ok=True)
        shutil.copy(path, folder / f"{number % 50}" / f"{number}.png")
    assert len(found(history)) == 60 and history.count(ALL) == 10_001
    assert list(history.refresh()) == []
    assert [e.name for e in history.find(ALL, 60)] != [e.name for e in history.find(dataclasses.replace(ALL, words="cat"))]
