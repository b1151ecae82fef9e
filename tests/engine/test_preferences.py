"""The settings file: what is written is read, and what a hand broke costs a sentence and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import OutputError
from engine.json_values import JsonValue
from engine.preferences import FILE, Preferences, read, write
from engine.storage.json_store import JsonStore

CHOSEN = Preferences(
    extra_models=("/somewhere/größe", "C:\\Users\\me\\ComfyUI"),
    leave_metadata_out=True,
    watermark="Grüße",
    safety_checker=True,
    precision="float32",
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read(tmp_path) == Preferences()
    write(tmp_path / "new", CHOSEN)
    assert read(tmp_path / "new") == CHOSEN
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [f".{FILE}.lock", FILE]


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\x00", '{"extra_models": '])
def test_a_broken_file_is_said_and_the_defaults_count(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    found = read(tmp_path)
    assert found == Preferences()
    assert len(found.troubles) == 1 and str(tmp_path / FILE) in found.troubles[0]


def test_a_wrong_value_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        '{"precision": "float8", "watermark": 7, "extra_models": ["/a", 1], "leave_metadata_out": true, "of another version": 1}'
    )
    found = read(tmp_path)
    assert found == Preferences(leave_metadata_out=True)
    assert len(found.troubles) == 3
    assert "“precision”" in " ".join(found.troubles) and "auto, float32" in " ".join(found.troubles)


def test_the_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, CHOSEN)
    read_store, readings = JsonStore.read, []

    def count(store: JsonStore[JsonValue]) -> dict[str, JsonValue]:
        readings.append(store)
        return read_store(store)

    monkeypatch.setattr(JsonStore, "read", count)
    assert [read(tmp_path) for _ in range(8)] == [CHOSEN] * 8 and len(readings) == 1
    write(tmp_path, Preferences(watermark="mine"))
    assert [read(tmp_path).watermark for _ in range(8)] == ["mine"] * 8 and len(readings) == 2


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="could not be saved"):
        write(tmp_path / "data", CHOSEN)
