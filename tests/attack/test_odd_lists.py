"""Each file beside the checkpoints and in the data folder that a list is read from, with something else in its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

import pytest

import engine.preferences as preferences
from api.keys import read_keys
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.model_notes import STRUCTURED, TEXTS, read_notes
from engine.checkpoints.library.search_paths import find_tag_folders, find_wildcard_folders
from engine.errors import EaselError
from engine.prompt.presets import load_presets
from engine.prompt.wildcards import Wildcards
from engine.settings import Settings
from tests.attack.mutated_weights import create_sound
from tests.attack.mutations import SPECIAL, write_sparse
from tests.attack.tally import Tally
from ui.saved_forms.store import SavedForms
from ui.words.tags import read_tags

CPU_SECONDS = 5.0
"""Of the processor, for one file; a reader without bounds takes minutes."""

_ALIASES = b"".join(b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9)) for name in range(98, 107))

CONTENTS: Mapping[str, bytes] = {
    "nothing": b"", "zeros": bytes(5000), "a list": b"[]", "null": b"null", "digits": b"9" * 10_000,
    "endless lists": b"[" * 100_000, "nested lists": b"[" * 100_000 + b"]" * 100_000, "endless objects": b'{"a":' * 100_000,
    "no numbers": b'{"a": NaN, "b": Infinity, "c": 1e999}', "a long number": b'{"a": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"a": 1, "a": []}', "UTF-16": '{"a": 1}'.encode("utf-16"), "Latin-1": b'{"a": "\xe9\xff"}',
    "half characters": b'{"\\ud800": "\\udfff"}', "NUL": b'{"\\u0000": "\\u0000"}', "a page": b"<html>",
    "many keys": b"{" + b",".join(b'"k%d":{}' % number for number in range(200_000)) + b"}",
    "aliases of aliases": b"a: &a [" + b",".join([b"x"] * 9) + b"]\n" + _ALIASES, "a circle": b"a: &a [*a]\n",
    "a circle of keys": b"&a {b: *a}\n", "a call": b"a: !!python/object/apply:os.system ['touch canary']\n",
    "no date": b"a: 2001-99-99\n", "odd keys": b"? [a, b]\n: [c]\n? {a: b}\n: d\n", "a quote": b'a,"b\nc,d' * 10,
    "a long line": b"x" * 10_000_000, "a long cell": b'a,"' + b"y" * 200_000 + b'"\n', "braces": b"{a|{b|" * 50_000,
    "odd weights": b"1e999::x\nnan::y\n-1::z\n" + b"9" * 5000 + b"::q\n", "circles of names": b"__a__\n__b__\n" * 10,
}  # fmt: skip
ODD: Mapping[str, Callable[[Path], None]] = {
    **SPECIAL, "a folder": Path.mkdir, "a sparse file": write_sparse,
    **{name: lambda path, content=content: _write(path, content) for name, content in CONTENTS.items()},
}  # fmt: skip


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _draw_wildcards(settings: Settings) -> None:
    wildcards = Wildcards(find_wildcard_folders(settings))
    for name in wildcards.names[:20]:
        try:
            wildcards.values(name)
        except EaselError:
            continue


def _list_notes(settings: Settings) -> None:
    assert read_notes(entry for entry in Catalogue(settings).scan().entries if entry.path.name == "lora.safetensors")


READERS: Mapping[str, Callable[[Settings], object]] = {
    **dict.fromkeys((f"models/wildcards/a{ending}" for ending in (".txt", ".json", ".yaml")), _draw_wildcards),
    **dict.fromkeys((f"models/lora{ending}" for ending in (*STRUCTURED, *TEXTS, ".preview.png")), _list_notes),
    "models/tags/a.csv": lambda settings: read_tags(find_tag_folders(settings)),
    "data/presets.toml": load_presets, "models/styles.csv": load_presets,
    "data/settings.json": lambda settings: preferences.read(settings.data), "data/keys.json": lambda s: read_keys(s.data),
    "data/forms.json": lambda settings: SavedForms(settings, "text").read(),
    "data/checkpoint-choices.json": _list_notes, "data/checkpoint-hashes.json": _list_notes,
}  # fmt: skip
"""A file -> what reads the list that it is part of."""


@pytest.mark.parametrize("share", [4, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("file", READERS)
def test_whatever_lies_in_the_place_of_a_file_is_a_sentence_at_most(file: str, share: int, tmp_path: Path, tally: Tally) -> None:
    """One of ``share`` kinds for each file, other ones for the next file."""
    first = list(READERS).index(file) % share
    for number, (name, write) in islice(enumerate(ODD.items()), first, None, share):
        folder = tmp_path / str(number)
        settings = Settings(models=folder / "models", data=folder / "data", outputs=folder / "outputs")
        settings.models.mkdir(parents=True)
        _write(settings.models / "lora.safetensors", create_sound("lora", "safetensors"))
        (folder / file).parent.mkdir(exist_ok=True)
        write(folder / file)
        begun = time.process_time()
        try:
            READERS[file](settings)
        except EaselError:
            pass
        except Exception as error:
            tally.count("traces shown", 1, f"{name} as {file}: {error!r:.300}")
        if time.process_time() - begun > CPU_SECONDS:
            tally.count("lost", 1, f"{name} as {file}: {time.process_time() - begun:.0f} seconds of the processor")
        tally.add_attempts()
    tally.count("code run", int(Path("canary").exists()))
