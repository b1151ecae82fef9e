"""Every small file of the data folder: whatever is in it, Easel starts, says so, and overwrites nothing."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from engine import preferences
from engine.checkpoints.library import overrides, sha256
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.overrides import Override
from engine.errors import EaselError, OutputError
from engine.jobs import Jobs
from engine.jobs.single_instance import claim
from engine.json_values import JsonValue
from engine.plan import remedies
from engine.plan.learned import LearnedFacts, apply_learned, learn
from engine.plan.precision import choose
from engine.plan.reference_checkpoints import REFERENCE_CHECKPOINTS
from engine.plan.timing import TimingKey, estimate_seconds, learn_timing
from engine.plan.upscale_estimate import UpscaleWork, estimate_upscale
from engine.preferences import Preferences
from engine.settings import Settings
from engine.storage.data_files import FILES
from engine.storage.database import open_database
from tests.engine.checkpoints.library.test_catalogue import SD2, write
from tests.engine.plan.conftest import MACHINES

ODD: tuple[JsonValue, ...] = (
    None, True, -1, 0, 2**80, 0.5, 1e300, "", "x" * 5000, "\0", [], [[]], ["x"], [-1, "x"], [1, 2, 3], {}, {"": {}}, {"x": [1]},
)  # fmt: skip
"""Values of every type."""

MACHINE = MACHINES["NVIDIA Ampere"]
COURSE = TimingKey(width=512, height=512, steps=10)
PLAN = choose(MACHINE, REFERENCE_CHECKPOINTS[0].family)
ON = MACHINE.device.name or MACHINE.device.kind


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    write(tmp_path / "models" / "x.safetensors", SD2)
    return Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs")


def store(settings: Settings, name: str, value: JsonValue) -> None:
    settings.data.mkdir(exist_ok=True)
    (settings.data / name).write_text(json.dumps(value))


def use_all(settings: Settings) -> None:
    """Whatever reads these files, and whatever changes them."""
    chosen = preferences.read(settings.data)
    assert Preferences(**{f.name: getattr(chosen, f.name) for f in dataclasses.fields(Preferences)}) == chosen
    entry = Catalogue(settings).find("x")
    assert entry.family.name in ("sd2_base", "sd2_v") and len(entry.sha256) in (0, 64)
    overrides.write(settings.data, entry.path, Override("sd2_v", "v_prediction", 7, 5.5, "x", "words"))
    assert overrides.read(settings.data)[str(entry.path)].family == "sd2_v"
    preferences.write(settings.data, dataclasses.replace(chosen, watermark="mine"))
    assert preferences.read(settings.data).watermark == "mine"
    notes = LearnedFacts(settings.data / "learnt.json")
    plan = apply_learned(notes, "abc", MACHINE.device, PLAN)
    assert plan.dtype("unet") in ("float32", "bfloat16", "float16")
    seconds = estimate_seconds(notes, "abc", MACHINE.device, COURSE)
    assert seconds is None or seconds >= 0
    assert estimate_upscale(UpscaleWork(width=64, height=64, factor=2, parameters=9, checkpoint_hash="abc"), notes).seconds >= 0
    learn(notes, "abc", MACHINE.device, dtypes={"vae": "float32"}, measure="vae_tiles")
    learn_timing(notes, "abc", MACHINE.device, COURSE, stepping=1.0, rest=1.0)
    assert apply_learned(notes, "abc", MACHINE.device, PLAN).dtype("vae") == "float32"
    assert estimate_seconds(notes, "abc", MACHINE.device, COURSE) is not None
    tested = remedies.read_result(settings.data, MACHINE.device)
    assert remedies.describe_result(tested)
    found = remedies.SelfTestResult(state=remedies.AGREES, remedies=("vae_float32",), versions={"torch": "2"})
    remedies.write_result(settings.data, MACHINE.device, found)
    assert remedies.read_result(settings.data, MACHINE.device) == found


def nest(keys: tuple[str, ...], value: JsonValue) -> JsonValue:
    return {keys[0]: nest(keys[1:], value)} if keys else value


def walk_fields(path: Path) -> dict[str, list[tuple[str, ...]]]:
    """File -> the keys down to each of its fields."""
    learnt = [
        (f"abc on {ON}",), (f"abc on {ON}", "dtypes"), (f"abc on {ON}", "dtypes", "vae"), (f"abc on {ON}", "measures"),
        (f"pace of abc on {ON}",), (f"pace of abc on {ON}", "512x512 exact"), (f"pace of abc on {ON}", "x exact"),
        ("upscaling by abc",), ("upscaling by abc", "seconds_a_megapixel"),
    ]  # fmt: skip
    return {
        "settings.json": [(field.name,) for field in dataclasses.fields(Preferences)],
        "checkpoint-choices.json": [
            (str(path),),
            *(
                (str(path), name)
                for name in ("architecture", "prediction_type", "steps", "guidance_scale", "vae", "words_before")
            ),
        ],
        "checkpoint-hashes.json": [(str(path),)],
        "learnt.json": learnt,
        "self-test.json": [
            (f"{ON} (cuda:0)", *field) for field in ((), ("versions",), ("remedies",), ("unfinished",), ("distance",))
        ],
    }


def test_no_field_of_another_type_stops_anything(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # thousands of writes
    tried = 0
    for name, fields in walk_fields(settings.models / "x.safetensors").items():
        for keys in fields:
            for value in ODD:
                store(settings, name, nest(keys, value))
                use_all(settings)
                tried += 1
        (settings.data / name).unlink()
    assert tried == len(ODD) * 35


@pytest.mark.parametrize(
    "kind", ["cut off", "a list", "deep", "a folder", "a pipe", "a link to itself", "many digits", "not UTF-8"]
)
def test_files_that_cannot_be_read_are_moved_aside_at_the_start_and_named(kind: str, settings: Settings) -> None:
    settings.data.mkdir()
    contents = {
        "cut off": b'{"a": [', "a list": b"[]", "deep": b'{"a": ' + b"[" * 990 + b"]" * 990 + b"}",
        "many digits": b'{"a": ' + b"9" * 9000 + b"}", "not UTF-8": b'{"\xff": 1}',
    }  # fmt: skip
    others = {"a folder": Path.mkdir, "a pipe": os.mkfifo, "a link to itself": lambda path: path.symlink_to(path)}
    for name in FILES:
        others.get(kind, lambda path: path.write_bytes(contents[kind]))(settings.data / name)
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
        troubles = jobs.troubles
    assert len(troubles) == len(FILES)
    for name, trouble in zip(FILES, troubles, strict=True):
        (aside,) = settings.data.glob(f"{Path(name).stem}.unreadable-*")
        assert str(settings.data / name) in trouble and aside.name in trouble
        assert kind not in contents or aside.read_bytes() == contents[kind]
    use_all(settings)


def test_a_value_that_would_not_be_read_is_not_written(tmp_path: Path) -> None:
    for chosen in (Preferences(watermark="x" * 201), Preferences(precision="float8")):
        with pytest.raises(OutputError, match="must be"):
            preferences.write(tmp_path, chosen)
    assert not (tmp_path / preferences.FILE).exists()


@pytest.mark.parametrize("folder", ["~nobody-of-this-name/models", "x" * 300, "\0", "/proc/1", "/dev/null/x", "x/" * 3000])
def test_search_paths_that_cannot_be_used_stop_nothing(folder: str, settings: Settings) -> None:
    """As an older version, or a hand, wrote them."""
    store(settings, preferences.FILE, {"extra_models": [folder, str(settings.models)]})
    inventory = Catalogue(settings).scan()
    assert [entry.name for entry in inventory.entries] == ["x"]
    assert len(inventory.refused) == 1


@pytest.mark.parametrize(
    "written", ["5", '"x"', "[]", '"file:///etc/passwd"', '"javascript:alert(1)"', '"http://x/\\n"', "null", "{}"]
)
def test_no_browser_is_sent_to_an_odd_address(written: str, tmp_path: Path) -> None:
    with claim(tmp_path):
        (tmp_path / "running.json").write_text(f'{{"url": {written}}}')
        with pytest.raises(OutputError, match="Another Easel"), claim(tmp_path):
            pass
        (tmp_path / "running.json").write_text('{"url": "http://127.0.0.1:7860"}')
        with claim(tmp_path) as second:
            assert second.url == "http://127.0.0.1:7860"


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to itself", "a link to nothing"])
def test_a_claim_stands_whatever_lies_where_its_note_should_be(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "running.json"
    make = {"a folder": path.mkdir, "a pipe": lambda: os.mkfifo(path), "a link to itself": lambda: path.symlink_to(path)}
    make.get(kind, lambda: path.symlink_to("gone"))()
    with claim(tmp_path) as first:
        first.publish_url("http://127.0.0.1:7860")
        with claim(tmp_path) as second:
            assert second.url == "http://127.0.0.1:7860"


@pytest.mark.parametrize("kind", ["empty", "text", "a folder", "a pipe", "a link to itself", "another program's"])
def test_a_database_that_is_none_is_moved_aside(kind: str, tmp_path: Path) -> None:
    path, tables = tmp_path / "history.db", ("CREATE TABLE pictures (name TEXT)",)
    if kind == "another program's":
        open_database(path, ("CREATE TABLE pictures (other INTEGER)",) * 1)[0].close()
    contents = {"empty": b"", "text": b"no database at all, but a text of some length" * 50}
    others = {"a folder": path.mkdir, "a pipe": lambda: os.mkfifo(path), "a link to itself": lambda: path.symlink_to(path)}
    others.get(kind, lambda: path.write_bytes(contents[kind]) if kind in contents else None)()
    database, replaced = open_database(path, tables)
    database.execute("SELECT * FROM pictures")
    database.close()
    assert (replaced is None) == (kind in ("empty", "another program's"))


def test_a_user_that_there_is_not_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("EASEL_MODELS", "EASEL_OUTPUTS", "EASEL_DATA"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "~nobody-of-this-name/easel")
            with pytest.raises(EaselError, match="no user called “nobody-of-this-name”"):
                Settings()


def test_hashes_that_are_none_are_not_shown(settings: Settings) -> None:
    path = settings.models / "x.safetensors"
    size, changed = path.stat().st_size, path.stat().st_mtime_ns
    for value in ("", "x" * 64, "<b>", "A" * 64, 5):
        store(settings, sha256.FILE, {str(path): [size, changed, value]})
        assert Catalogue(settings).find("x").sha256 == ""
    store(settings, sha256.FILE, {str(path): [size, changed, "a" * 64]})
    assert Catalogue(settings).find("x").sha256 == "a" * 64
