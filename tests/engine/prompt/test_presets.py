"""Presets: applied, read from A1111's and from Easel's own file, saved without losing anything."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt.grammar import parse
from engine.prompt.presets import BUILT_IN, Preset, PresetError, PresetFile, read_presets, remove_preset, save_preset

EVENING = Preset("Evening", "{prompt}, at dusk", "people")
QUOTES = Preset('The "big"\n\\ one', "a\tb\x7f \u200b 🐱 'x'", "#[[preset]]")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "presets.toml"


@pytest.mark.parametrize(
    ("preset", "prompt", "applied"),
    [
        (EVENING, "a cat", ("a cat, at dusk", "ugly, people")),
        (Preset("x", "photo", ""), "a cat", ("a cat, photo", "ugly")),
        (Preset("x", "photo", "no {prompt} no"), "", ("photo", "no ugly no")),
        (Preset("x", "{prompt} and {prompt}"), "a", ("a and a", "ugly")),
        (Preset("x"), " a ", ("a", "ugly")),
    ],
)
def test_applied(preset: Preset, prompt: str, applied: tuple[str, str]) -> None:
    assert preset.apply(prompt, "ugly") == applied


def test_easels_own_say_something_and_read_well() -> None:
    assert len({preset.name for preset in BUILT_IN}) == len(BUILT_IN) >= 5
    for preset in BUILT_IN:
        for words in preset.apply("a cat", "red"):
            assert words and str(parse(words)) == words
        assert preset.prompt or preset.negative_prompt


# --- styles.csv -----------------------------------------------------------------------------------------------------


def csv_file(folder: Path, text: str, encoding: str = "utf-8-sig") -> PresetFile:
    path = folder / "styles.csv"
    path.write_bytes(text.encode(encoding))
    return read_presets(path)


def test_a1111s_file(tmp_path: Path) -> None:
    text = 'name,prompt,negative_prompt\r\nÉvening,"{prompt}, at dusk",people\r\n-----,,\r\nTwo,"a\r\nb ""c""","x, y"\r\n'
    found = csv_file(tmp_path, text)
    assert found.presets == (Preset("Évening", "{prompt}, at dusk", "people"), Preset("Two", 'a\r\nb "c"', "x, y"))
    assert found.problems == ()


def test_a1111s_old_file_with_a_text_column(tmp_path: Path) -> None:
    assert csv_file(tmp_path, "name,text\nOld,dusk\n").presets == (Preset("Old", "dusk"),)


def test_the_last_of_one_name_counts(tmp_path: Path) -> None:
    assert csv_file(tmp_path, "name,prompt\na,1\na,2\n").presets == (Preset("a", "2"),)


@pytest.mark.parametrize(
    ("text", "kept", "says"),
    [
        ('name,prompt,negative_prompt\ngood,x,\nbad,"never closed,\nlost,y,\n', ["good"], "Line 3 of styles.csv opens a quote"),
        ("good,x,y\n", [], "Line 1 of styles.csv should name the columns"),
        (
            "name,prompt,negative_prompt\ngood,x,y\nbad,a,b,c\nlast,z,\n",
            ["good", "bad", "last"],
            "Line 3 of styles.csv has too many",
        ),
    ],
)
def test_a_broken_table_says_where(tmp_path: Path, text: str, kept: list[str], says: str) -> None:
    found = csv_file(tmp_path, text)
    assert [preset.name for preset in found.presets] == kept
    assert len(found.problems) == 1 and says in found.problems[0]


def test_a_table_in_another_encoding(tmp_path: Path) -> None:
    found = csv_file(tmp_path, "name,prompt\ngood,x\ncafé,y\n", encoding="cp1252")
    assert found.presets == (Preset("good", "x"), Preset("caf\ufffd", "y"))
    assert "Line 3" in found.problems[0] and "UTF-8" in found.problems[0]


@given(st.binary(max_size=200))
def test_any_bytes_are_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("styles.csv", "presets.toml"):
        (folder / name).write_bytes(content)
        for problem in read_presets(folder / name).problems:
            assert problem.startswith("Line ") and name in problem


# --- Easel's own file -----------------------------------------------------------------------------------------------


def test_no_file_is_no_problem(file: Path) -> None:
    assert read_presets(file) == PresetFile()


def test_saved_and_read(file: Path) -> None:
    for preset in (EVENING, QUOTES, Preset("Last", "", "x")):
        save_preset(file, preset)
    assert read_presets(file) == PresetFile((EVENING, QUOTES, Preset("Last", "", "x")))


def test_half_an_emoji_is_saved_as_a_replacement_character(file: Path) -> None:
    save_preset(file, Preset("half \ud83d", "a \udc00 cat", "\udcff"))
    assert read_presets(file).presets == (Preset("half \ufffd", "a \ufffd cat", "\ufffd"),)


def test_saving_a_name_again_takes_its_place(file: Path) -> None:
    for name in ("a", "b", "c"):
        save_preset(file, Preset(name, "old"))
    save_preset(file, Preset("b", "new"))
    assert read_presets(file).presets == (Preset("a", "old"), Preset("b", "new"), Preset("c", "old"))


def test_removed(file: Path) -> None:
    for name in ("a", "b", "c"):
        save_preset(file, Preset(name, "old"))
    remove_preset(file, "b")
    remove_preset(file, "not there")
    assert [preset.name for preset in read_presets(file).presets] == ["a", "c"]


HAND_WRITTEN = """# my presets
[[preset]]
name = "a"   # the first
prompt = "x"

# about b
[[preset]]
name = "b"
prompt = "never closed

[[preset]]
name = 'c'
prompt = \"\"\"two
lines\"\"\"
"""


def test_a_broken_place_costs_that_place_only(file: Path) -> None:
    file.write_text(HAND_WRITTEN, encoding="utf-8")
    found = read_presets(file)
    assert found.presets == (Preset("a", "x"), Preset("c", "two\nlines"))
    assert len(found.problems) == 1 and found.problems[0].startswith("Line 9 of presets.toml cannot be read")


def test_saving_beside_a_broken_place_keeps_every_letter(file: Path) -> None:
    file.write_text(HAND_WRITTEN, encoding="utf-8")
    save_preset(file, EVENING)
    assert file.read_text(encoding="utf-8").startswith(HAND_WRITTEN)
    save_preset(file, Preset("a", "new"))
    text = file.read_text(encoding="utf-8")
    assert "# my presets" in text and "# about b" in text and 'prompt = "never closed' in text
    assert [preset.name for preset in read_presets(file).presets] == ["a", "c", "Evening"]
    remove_preset(file, "c")
    assert "# about b" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("body", ["prompt = 'x'", "name = 3", "name = 'x'\nprompt = ['a']", ""])
def test_a_preset_without_a_name_says_where(file: Path, body: str) -> None:
    file.write_text(f"[[preset]]\nname = 'good'\n[[preset]]\n{body}\n", encoding="utf-8")
    found = read_presets(file)
    assert found.presets == (Preset("good"),)
    assert "Line 3" in found.problems[0] and "name" in found.problems[0]


@pytest.mark.parametrize("text", ["preset = 3", "[preset]\nname = 'x'", "preset = ['x']", "\n[other]\na = 1"])
def test_other_tables_are_no_presets(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    found = read_presets(file)
    assert found.presets == ()
    assert all("[[preset]]" in problem for problem in found.problems) and len(found.problems) == ("preset" in text)


def test_letters_that_are_not_utf8_stay_as_they_are_whatever_is_saved(file: Path) -> None:
    before = b"[[preset]]\nname = '\xff'\n\n[[preset]]\nname = 'b'\n"
    file.write_bytes(before)
    save_preset(file, EVENING)
    assert file.read_bytes().startswith(before)
    remove_preset(file, "b")
    assert b"'\xff'" in file.read_bytes()
    found = read_presets(file)
    assert EVENING in found.presets and "not UTF-8" in found.problems[0]


@pytest.mark.parametrize(
    "body",
    [
        "name = 'x'\nprompt = " + "[" * 100_000, "name = 'x'\nnumber = " + "9" * 10_000, "name = 'x'\nat = 9999-99-99",
        "name = 'x'\n" + "a." * 50_000 + "b = 1", "name = \"\\ud83d\"", "name = 'x'\n\0",
    ],
)  # fmt: skip
def test_an_odd_preset_costs_itself_alone_and_stays(file: Path, body: str) -> None:
    file.write_text(f"[[preset]]\nname = 'good'\n\n[[preset]]\n{body}\n\n[[preset]]\nname = 'other'\n", "utf-8")
    found = read_presets(file)
    assert [preset.name for preset in found.presets] == ["good", "other"]
    assert len(found.problems) == 1 and found.problems[0].startswith("Line ")
    save_preset(file, EVENING)
    assert body in file.read_text("utf-8") and EVENING in read_presets(file).presets


def test_a_file_that_windows_saved_as_unicode_is_read_and_kept(file: Path) -> None:
    file.write_text("[[preset]]\nname = 'größe'\n", "utf-16")
    save_preset(file, EVENING)
    assert [preset.name for preset in read_presets(file).presets] == ["größe", "Evening"]


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to itself", "a link to nothing"])
def test_what_is_no_file_is_moved_aside(file: Path, kind: str) -> None:
    make = {"a folder": file.mkdir, "a pipe": lambda: os.mkfifo(file), "a link to itself": lambda: file.symlink_to(file)}
    make.get(kind, lambda: file.symlink_to("gone"))()
    with pytest.raises(PresetError, match="cannot be read"):
        read_presets(file)
    save_preset(file, EVENING)
    assert read_presets(file).presets == (EVENING,)
    assert len(list(file.parent.glob("presets.unreadable-*"))) == 1


def save_many(path: Path, first: int) -> None:
    for number in range(first, first + 20):
        save_preset(path, Preset(f"preset {number}", "x"))


def test_two_processes_lose_no_preset(file: Path) -> None:
    file.write_bytes(b"[[preset]]\nname = '\xff'\n")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=save_many, args=(file, 100 * number)) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    wanted = {f"preset {100 * number + each}" for number in range(2) for each in range(20)}
    assert wanted < {preset.name for preset in read_presets(file).presets} and b"'\xff'" in file.read_bytes()


def test_a_blank_name_is_refused(file: Path) -> None:
    with pytest.raises(PresetError, match="name"):
        save_preset(file, Preset("  ", "x"))
    assert not file.exists()


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(PresetError):
        save_preset(tmp_path / "taken" / "presets.toml", EVENING)
    (tmp_path / "presets.toml").mkdir()
    with pytest.raises(PresetError, match="cannot be read"):
        read_presets(tmp_path / "presets.toml")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=30), st.text(max_size=30)), max_size=5))
def test_whatever_is_saved_is_there(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]) -> None:
    file = tmp_path_factory.mktemp("own") / "presets.toml"
    expected: dict[str, Preset] = {}
    for row in rows:
        save_preset(file, Preset(*row))
        expected[row[0]] = Preset(*row)
    assert read_presets(file) == PresetFile(tuple(expected.values()))
    assert sorted(os.listdir(file.parent)) == ([".presets.toml.lock", "presets.toml"] if rows else [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("head", ["", "sep"])
def test_a_table_is_read_however_a_spreadsheet_wrote_it(tmp_path: Path, encoding: str, delimiter: str, head: str) -> None:
    rows = [("name", "prompt", "negative_prompt"), ("Ölbild", '"a, b; c\td"', "grau"), ("two", "x", "")]
    lines = [delimiter.join(row) for row in rows]
    if head and delimiter != "\t":
        lines.insert(0, f"sep={delimiter}")
    (tmp_path / "styles.csv").write_bytes("\r\n".join(lines).encode(encoding))
    read = read_presets(tmp_path / "styles.csv")
    assert read.problems == ()
    assert read.presets == (Preset("Ölbild", "a, b; c\td", "grau"), Preset("two", "x", ""))
