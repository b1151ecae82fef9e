"""Presets: words that are put around a prompt and a negative prompt. Easel's own, the user's file, and A1111's styles.csv.

The user's file is TOML, which can also be edited by hand::

    [[preset]]
    name = "Evening"
    prompt = "{prompt}, at dusk, warm light"
    negative_prompt = "people"

A mistake in a file affects only its own preset, is reported with its line, and stays in the file whatever is saved afterwards.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from engine.errors import EaselError
from engine.safe_text import make_encodable
from engine.settings import Settings
from engine.storage.atomic_files import lock_file, set_aside, write_file
from engine.storage.regular_files import read_regular_file

FILE, FOREIGN = "presets.toml", "styles.csv"
"""The user's file of presets in the data folder; AUTOMATIC1111's, there or in the models folder."""

PLACE = "{prompt}"
"""What stands for the user's own words in a preset; without it a preset's words go after them."""

_MOST_BYTES = 16 * 2**20

_LONGEST = 20_000
"""Characters of a preset in the file. The TOML reader takes time that grows with the square of a key's length."""


class PresetError(EaselError):
    """The user's presets could not be read or saved."""


@dataclass(frozen=True)
class Preset:
    """Words to put around a prompt and around a negative prompt; either may be empty."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""

    def apply(self, prompt: str, negative_prompt: str) -> tuple[str, str]:
        """Both prompts with this preset's words in them."""
        return _merge(self.prompt, prompt), _merge(self.negative_prompt, negative_prompt)


@dataclass(frozen=True)
class PresetFile:
    """What a file holds. ``problems`` are sentences for the user, one for each place that could not be read."""

    presets: tuple[Preset, ...] = ()
    problems: tuple[str, ...] = ()


BUILT_IN = (
    Preset(
        "Photo",
        "photograph of {prompt}, natural light, sharp focus, fine detail",
        "drawing, painting, cartoon, 3d render, blurry, oversaturated",
    ),
    Preset(
        "Portrait",
        "portrait of {prompt}, head and shoulders, soft light, plain background",
        "cropped head, crossed eyes, uneven eyes, distorted face, waxy skin",
    ),
    Preset("Drawing", "pencil drawing of {prompt}, clean lines, white paper", "photograph, 3d render, smudges, frame"),
    Preset("Painting", "oil painting of {prompt}, visible brush strokes, rich colors", "photograph, 3d render, picture frame"),
    Preset("Landscape", "{prompt}, wide view, depth, clear air", "people, buildings, text, tilted horizon, haze"),
    Preset("Text-free", "", "text, letters, caption, watermark, signature, logo, border"),
    Preset("Hands", "", "malformed hands, extra fingers, missing fingers, fused fingers, extra hands"),
    Preset("Crisp", "", "blurry, out of focus, noisy, compression artifacts, low contrast"),
)
"""Presets that come with Easel."""


def load_presets(settings: Settings) -> tuple[dict[str, Preset], tuple[str, ...]]:
    """All presets by name, the user's before others of the same name, and problems found in the files.

    The files are read each time, because the user may edit them.
    """
    found, problems = list(BUILT_IN), list[str]()
    for path in (settings.data / FOREIGN, settings.models / FOREIGN, settings.data / FILE):
        try:
            read = read_presets(path)
        except PresetError as error:
            problems.append(str(error))
            continue
        found += read.presets
        problems += read.problems
    return {preset.name: preset for preset in found}, tuple(problems)


def read_presets(path: Path) -> PresetFile:
    """The presets in ``path``: A1111's styles.csv if it ends in ``.csv``, else Easel's TOML. No file: no presets, no problem.

    Raises PresetError if the file cannot be opened at all.
    """
    text, problems = _read_text(path)
    found = _read_csv(path, text) if path.suffix.lower() == ".csv" else _read_toml(path, text)
    return PresetFile(found.presets, problems + found.problems)


def save_preset(path: Path, preset: Preset) -> None:
    """Puts ``preset`` into the TOML file at ``path``, in place of the one of its name if there is one. The rest stays as it is.

    Raises PresetError if the name is blank, the preset is too long or the file cannot be written.
    """
    if not preset.name.strip():
        raise PresetError("A preset needs a name. Type one and save it again.")
    written = _to_toml(preset)
    if len(written) > _LONGEST:
        raise PresetError(f"A preset may have {_LONGEST:,} characters. Shorten its prompts and save it again.")
    _edit(path, preset.name, written)


def remove_preset(path: Path, name: str) -> None:
    """Takes the preset called ``name`` out of the TOML file at ``path``, if it is there. Raises as :func:`save_preset` does."""
    _edit(path, name, "")


def _merge(words: str, prompt: str) -> str:
    if PLACE in words:
        return words.replace(PLACE, prompt)
    return ", ".join(part.strip() for part in (prompt, words) if part.strip())


def _read_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and problems with its encoding."""
    try:
        raw = _read_file(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PresetError(f"The presets in {path} cannot be read: {reason}. Move the file away, or repair it.") from error
    try:
        return _decode(raw, "strict"), ()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        said = _problem(path, line, "has letters that are not UTF-8; they are shown as \ufffd. Save the file as UTF-8.")
        return _decode(raw, "replace"), (said,)


def _read_file(path: Path) -> bytes:
    """What the file holds, nothing if there is none. Raises OSError, and ValueError if it is too large."""
    try:
        return read_regular_file(path, _MOST_BYTES)
    except FileNotFoundError:
        if path.is_symlink():
            raise
        return b""


def _decode(raw: bytes, errors: str) -> str:
    """Text in UTF-8, or in UTF-16 as Windows' editors and spreadsheets save it."""
    encoding = _find_encoding(raw)
    return raw.decode(encoding, errors if encoding == "utf-8-sig" else "replace")


def _find_encoding(raw: bytes) -> str:
    """UTF-16 where a byte order mark or the zero bytes of Latin letters say so: Excel and Windows write it. Else UTF-8."""
    if len(raw) % 2:
        return "utf-8-sig"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    beginning = raw[:4096]
    zeros = beginning[0::2].count(0), beginning[1::2].count(0)
    if max(zeros) * 4 < len(beginning) or len(beginning) < 4:
        return "utf-8-sig"
    return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"


def _problem(path: Path, line: int, what: str) -> str:
    return f"Line {line} of {path.name} {what}"


# --- A1111's styles.csv ---------------------------------------------------------------------------------------------

_DELIMITERS = (",", ";", "\t")
_EXCEL_LINES = {"sep=,": ",", "sep=;": ";"}


def _read_csv(path: Path, text: str) -> PresetFile:
    """Columns name, prompt (in old files text) and negative_prompt, in any order; of one name the last counts, as there.

    Reading ends where quotes stop matching. Columns may be separated by semicolons or tabs, as spreadsheets do.
    """
    text, delimiter = _find_delimiter(text)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    presets: dict[str, Preset] = {}
    problems: list[str] = []
    line = 1
    try:
        if text.strip() and "name" not in (reader.fieldnames or ()):
            return PresetFile(problems=(_problem(path, 1, "should name the columns: name,prompt,negative_prompt."),))
        line = reader.line_num + 1
        for row in reader:
            if None in row:
                problems.append(_problem(path, line, 'has too many columns: text with commas in it goes between "quotes".'))
            preset = _read_row(row)
            if preset.name and (preset.prompt or preset.negative_prompt):
                presets[preset.name] = preset
            line = reader.line_num + 1
    except csv.Error:
        problems.append(_problem(path, line, "opens a quote that is not closed rightly; nothing after it was read."))
    return PresetFile(tuple(presets.values()), tuple(problems))


def _find_delimiter(text: str) -> tuple[str, str]:
    """The table, and what stands between its columns: a comma, or what spreadsheets write instead. Excel's ``sep=`` line is
    left out."""
    first, end, rest = text.partition("\n")
    if first.strip().lower() in _EXCEL_LINES:
        return rest, _EXCEL_LINES[first.strip().lower()]
    cells = {each: [cell.strip().strip('"') for cell in first.split(each)] for each in _DELIMITERS}
    return first + end + rest, next((each for each in _DELIMITERS if "name" in cells[each]), _DELIMITERS[0])


def _read_row(row: dict[str, str]) -> Preset:
    """A row of the table; missing columns are empty."""
    name, prompt, old, negative = (row.get(key) or "" for key in ("name", "prompt", "text", "negative_prompt"))
    return Preset(name.strip(), prompt or old, negative)


# --- Easel's own file -----------------------------------------------------------------------------------------------

_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*preset[ \t]*\]\]", re.MULTILINE)
_AT_LINE = re.compile(r" \(at line ([0-9]+), column [0-9]+\)| \(at end of document\)")


@dataclass(frozen=True)
class _Block:
    """A piece of the file that starts with a ``[[preset]]`` line, or what stands before the first one."""

    text: str
    line: int


def _split_blocks(text: str) -> list[_Block]:
    starts = [0, *(found.start() for found in _HEADER.finditer(text)), len(text)]
    pairs = pairwise(starts)
    return [_Block(text[start:end], text.count("\n", 0, start) + 1) for start, end in pairs if start < end]


def _read_toml(path: Path, text: str) -> PresetFile:
    presets: list[Preset] = []
    problems: list[str] = []
    for block in _split_blocks(text):
        try:
            presets += list(_read_block(block))
        except tomllib.TOMLDecodeError as error:
            problems.append(_toml_problem(path, block, error))
        except _NoPreset as error:
            problems.append(_problem(path, block.line, str(error)))
        except Exception as error:
            what = (
                f"begins a preset that cannot be read ({type(error).__name__}). The other presets work; correct this one by hand."
            )
            problems.append(_problem(path, block.line, what))
    return PresetFile(tuple(presets), tuple(problems))


class _NoPreset(Exception):
    """What a block should have said: the rest of a sentence that begins with its line."""


def _read_block(block: _Block) -> Iterator[Preset]:
    """The preset of a block. Raises _NoPreset if it is not one, and anything that the TOML reader raises."""
    if len(block.text) > _LONGEST:
        raise _NoPreset(f"begins a preset of more than {_LONGEST:,} characters. Shorten it; the other presets work.")
    rows = tomllib.loads(block.text).get("preset", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _NoPreset("should start each preset with [[preset]], in two pairs of brackets.")
    for row in rows:
        fields = {name: row.get(name, "") for name in ("name", "prompt", "negative_prompt")}
        if not fields["name"] or not all(isinstance(value, str) for value in fields.values()):
            raise _NoPreset('starts a preset without a name: write name = "..." below it, and all texts between quotes.')
        yield Preset(**fields)


def _toml_problem(path: Path, block: _Block, error: tomllib.TOMLDecodeError) -> str:
    found = _AT_LINE.search(str(error))
    inside = int(found[1]) if found and found[1] else len(block.text.splitlines())
    what = _AT_LINE.sub("", str(error))
    return _problem(path, block.line + inside - 1, f"cannot be read ({what}). The other presets work; correct this one by hand.")


def _read_name(block: _Block) -> str | None:
    """The name of the preset in a block that can be read."""
    try:
        return next((preset.name for preset in _read_block(block)), None)
    except Exception:
        return None


def _to_toml(preset: Preset) -> str:
    rows = (("name", preset.name), ("prompt", preset.prompt), ("negative_prompt", preset.negative_prompt))
    return "[[preset]]\n" + "".join(f"{key} = {_quote(value)}\n" for key, value in rows)


def _quote(value: str) -> str:
    """A TOML text. JSON's escapes are TOML's, but for the delete sign and half surrogates."""
    return json.dumps(make_encodable(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _edit(path: Path, name: str, written: str) -> None:
    """Puts ``written`` in the place of the block called ``name``, or at the end; nothing else of the file changes, to the byte.

    What cannot be read as a file at all is moved aside.
    """
    try:
        with lock_file(path):
            try:
                raw = _read_file(path)
            except (OSError, ValueError):
                set_aside(path, "unreadable")
                raw = b""
            text = _replace_block(_decode(raw, "surrogateescape"), name, written)
            write_file(path, text.encode("utf-8", "surrogateescape"))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise PresetError(f"The preset could not be saved in {path}: {reason}. The file is as it was.") from error


def _replace_block(text: str, name: str, written: str) -> str:
    pieces, done = [], not written
    for block in _split_blocks(text):
        if _read_name(block) != name:
            pieces.append(block.text)
            continue
        pieces += [written if not done else "", _tail(block.text)]
        done = True
    if not done:
        before = "".join(pieces)
        pieces += ["" if not before or before.endswith("\n\n") else "\n" if before.endswith("\n") else "\n\n", written]
    return "".join(pieces)


def _tail(text: str) -> str:
    """The empty lines and comments that a block ends with: they belong to what follows."""
    lines = text.splitlines(keepends=True)
    start = len(lines)
    while start and (not lines[start - 1].strip() or lines[start - 1].lstrip().startswith("#")):
        start -= 1
    return "".join(lines[start:])
