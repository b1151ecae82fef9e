"""What an earlier Easel wrote still works: data folder, images, models folder, names. See ``old_data/README.md``."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

# --- The adapter: everything of Easel that these tests use. Whoever renames something follows here, and nowhere below. ---------
import engine
from engine import events, preferences
from engine.checkpoints.families import BASE_MODELS, BY_NAME
from engine.checkpoints.identify.identity import KINDS as FILE_KINDS
from engine.checkpoints.library import overrides as choices
from engine.checkpoints.library import sha256 as hashing
from engine.checkpoints.library.catalogue import Catalogue
from engine.errors import KINDS as ERRORS
from engine.generate.samplers import SCHEDULERS, find_pair
from engine.generate.speed.compile import COMPILERS
from engine.jobs import Jobs, JobState
from engine.jobs.journal import CANCELLED, FAILED, FINISHED, QUEUED, RUNNING, SET_ASIDE, Journal
from engine.local import Local
from engine.plan.hardware.facts import Device
from engine.plan.ladder import RUNGS
from engine.plan.learned import LearnedFacts, apply_learned
from engine.plan.timing import TimingKey, estimate_seconds
from engine.prompt.presets import BUILT_IN
from engine.records import favourites, metadata
from engine.records.blobs import Blobs
from engine.records.history import History, Search
from engine.records.inspect_file import inspect_image
from engine.records.recall import recall
from engine.records.record import from_text, parameters, source_type, to_text
from engine.requests import (
    DTYPES,
    FITS,
    HIRES,
    SPEEDS,
    ExecutionPlan,
    Resolved,
    from_json,
    resolved_from_json,
    resolved_to_json,
)
from engine.requests import to_json as write_request
from engine.settings import HOUSE, Settings
from ui.common import form
from ui.common.prompt_box import Presets
from ui.grid import grid_fields
from ui.server.serve import serve
from ui.tabs.negative_prompts import tab as negative_prompts
from ui.tabs.sketch_to_image import form as sketch_form
from ui.tabs.sketch_to_image import lines
from ui.tabs.sketch_to_image import tab as sketch_to_image
from ui.tabs.text_to_image import tab as text_to_image
from ui.tabs.upscale import form as upscale_form
from ui.tabs.upscale import tab as upscale

SCRIPTED = "engine.testing:ScriptedEngine"

OLD_PAIRS: Mapping[tuple[str, str], str] = {
    ("DPM++ 2M", "Karras"): "DPM++ 2M Karras", ("DPM++ 2M SDE (white noise)", "Karras"): "DPM++ 2M SDE Karras",
    ("DPM++ 2M SDE (white noise)", "Default"): "DPM++ 2M SDE", ("DPM++ 2S", "Karras"): "DPM++ SDE Karras",
    ("DPM++ 2S", "Default"): "DPM++ SDE", ("DPM2", "Default Karras"): "DPM2 Karras",
    ("DPM2 a", "Default Karras"): "DPM2 a Karras",
}  # fmt: skip
"""A sampler and its noise schedule -> the one name that both had before schedules had a field of their own."""

OLD_SAMPLERS = tuple(name for name in (*OLD_PAIRS.values(), *SCHEDULERS) if find_pair(name, None))
"""Samplers that users and their files can name."""


VARIED = ("variation_seed", "variation_strength", "axes")
"""Fields of requests with which one image becomes several."""


def join_sampler(written: dict[str, Any]) -> dict[str, Any]:
    """A request in JSON as it was written before schedules had a field of their own."""
    sampler, schedule = written["scheduler"], written.pop("schedule")
    assert written.pop("guidance", "cfg") == "cfg"
    assert written.pop("fill", "original") == "original"
    since = (
        "guidance_rescale",
        "prompt_template",
        "negative_template",
        "hires",
        *HIRES,
        "mask_area",
        "soft_mask",
        "controls",
        *VARIED,
    )
    assert not any([written.pop(name, None) for name in since])
    return {**written, "scheduler": OLD_PAIRS.get((sampler, schedule), sampler)}


def to_json(request: Any) -> dict[str, Any]:
    """A request in JSON as an earlier version wrote it."""
    return join_sampler(write_request(request))


TABLES: Mapping[str, tuple[str, ...]] = {
    "errors": tuple(ERRORS), "dtypes": DTYPES, "speeds": SPEEDS, "fits": FITS, "samplers": OLD_SAMPLERS,
    "file_kinds": tuple(FILE_KINDS), "families": tuple(BASE_MODELS), "architectures": tuple(BY_NAME),
    "memory_measures": tuple(rung.name for rung in RUNGS), "compilers": tuple(COMPILERS),
    "job_states": (QUEUED, RUNNING, FINISHED, CANCELLED, FAILED, SET_ASIDE),
    "preferences": tuple(field.name for field in dataclasses.fields(preferences.Preferences)),
    "built_in_presets": tuple(preset.name for preset in BUILT_IN),
    "engine": tuple(engine.__all__),
}  # fmt: skip
"""Key in ``names.json`` -> the names that there are now."""

FORMS: Mapping[str, Mapping[str, Any]] = {
    text_to_image.NAME: form.BLANK, sketch_to_image.NAME: sketch_form.BLANK,
    negative_prompts.NAME: negative_prompts.BLANK, upscale.NAME: upscale_form.BLANK,
}  # fmt: skip
"""Tab -> the fields of its form, which browsers keep."""

NEW_FIELDS = {"schedule", "guidance", "guidance_rescale", *VARIED[:2], *grid_fields.BLANK, "fill", "soft_mask", *lines.BLANK}
"""Fields of forms that came since."""


def read_catalogue(settings: Settings) -> tuple[dict[str, dict[str, Any]], set[Path]]:
    """What is known of each file by its name, and the files that are refused."""
    inventory = Catalogue(settings).scan()
    found = {
        entry.name: {
            "path": entry.path, "kind": entry.identity.kind, "architecture": entry.identity.family,
            "prediction_type": entry.identity.prediction_type, "native_size": entry.identity.native_size,
            "container": entry.identity.container, "hash": entry.hash, "sha256": entry.sha256,
            "parameters": {name: number for name, number in entry.parameters.items() if name not in entry.borrowed},
        }
        for entry in inventory.entries
    }  # fmt: skip
    return found, set(inventory.refused)


def read_record(path: Path) -> str | None:
    """The record in an image as JSON."""
    record = metadata.read(path)
    if record is None:
        return None
    written = json.loads(to_text(record))
    return json.dumps({**written, "resolved": {**written["resolved"], "request": join_sampler(written["resolved"]["request"])}})


def describe_record(text: str) -> dict[str, str]:
    """What other programs are told."""
    record = from_text(text)
    schedule = vars(record.resolved.request).get("schedule")
    text = parameters(record).replace(f", Schedule type: {schedule}", f" {schedule}")
    return {"parameters": text, "source_type": source_type(record.resolved.request)}


def rewrite_request(written: dict[str, Any]) -> dict[str, Any]:
    """JSON -> request -> JSON."""
    return to_json(from_json(written))


def rewrite_resolved(written: dict[str, Any]) -> dict[str, Any]:
    """JSON -> resolved request -> JSON."""
    found: dict[str, Any] = {**resolved_to_json(resolved_from_json(written))}
    return {**found, "request": join_sampler(found["request"])}


def recall_settings(path: Path, checkpoints: tuple[str, ...]) -> dict[str, Any] | None:
    """What an image's settings are as a request that can be made here."""
    found = recall(path, tuple(SCHEDULERS), checkpoints)
    return found and {"request": to_json(found.request), "program": found.program, "notes": list(found.notes)}


def redraw(easel: Local, request: dict[str, Any]) -> Path:
    """The file of the image that a resolved request makes now; one that is made from it in the same job comes after it."""
    return easel.make(from_json(request))[0].path


def checkpoint_hashes(settings: Settings) -> set[str]:
    """Those of all checkpoints that there are, of their versions for few steps too."""
    return {each.hash for entry in Catalogue(settings).scan().entries for each in (entry, entry.for_drafts)}


# --- The tests ------------------------------------------------------------------------------------------------------------------

OLD = HOUSE / "tests" / "old_data"
BASE = "/tmp/easel-old"
"""Where the folders lay when they were written; it stands in some of the files."""

TOLERANCE = 0.1
"""Mean difference, of 255, that other processors and versions may make: 0.0003 between instruction sets of one processor."""


def read_expected(name: str) -> Any:
    return json.loads((OLD / "expected" / f"{name}.json").read_text("utf-8"))


JOBS, PICTURES, VALUES, NAMES = (read_expected(name) for name in ("jobs", "pictures", "values", "names"))


def place_folders(base: Path) -> Settings:
    """A copy of the old folders under ``base``, with their times, as if Easel had always run there."""
    for name in ("data", "outputs", "models", "other program"):
        shutil.copytree(OLD / name, base / name)
    for name, changed in read_expected("mtimes").items():
        os.utime(base / name, ns=(changed, changed))
    for path in (base / "data").glob("*.json"):
        path.write_text(json.dumps(move_paths(json.loads(path.read_text("utf-8")), base), ensure_ascii=False), "utf-8")
    with sqlite3.connect(base / "data" / "journal.db") as book:
        moved = [(move_paths(path, base), path) for (path,) in book.execute("SELECT path FROM results")]
        book.executemany("UPDATE results SET path = ? WHERE path = ?", moved)
    book.close()
    return Settings(
        models=base / "models", extra_models=(HOUSE / "models",), data=base / "data", outputs=base / "outputs", device="cpu"
    )


def move_paths(value: Any, base: Path) -> Any:
    """``value`` with every path in it below ``base``."""
    if isinstance(value, dict):
        return {move_paths(key, base): move_paths(each, base) for key, each in value.items()}
    if isinstance(value, list):
        return [move_paths(each, base) for each in value]
    return str(base / value.removeprefix(f"{BASE}/")) if isinstance(value, str) and value.startswith(f"{BASE}/") else value


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The old folders, for tests that change nothing that others look at."""
    return place_folders(tmp_path_factory.mktemp("old"))


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    """The old folders, for one test alone."""
    return place_folders(tmp_path)


def all_requests() -> Iterator[dict[str, Any]]:
    """Every request in JSON that the old folders hold."""
    yield from (job["request"] for job in JOBS["jobs"])
    yield from (picture["record"]["resolved"]["request"] for picture in PICTURES.values() if picture["record"])


# What was chosen


def test_preferences_are_read(old: Settings) -> None:
    found = dataclasses.asdict(preferences.read(old.data))
    came_since = dataclasses.asdict(preferences.Preferences())
    wanted = {**came_since, **move_paths(VALUES["preferences"], old.data.parent)}
    assert {**found, "extra_models": list(found["extra_models"]), "troubles": list(found["troubles"])} == wanted


def test_preferences_that_are_written_again_stay(fresh: Settings) -> None:
    before = json.loads((fresh.data / "settings.json").read_text("utf-8"))
    preferences.write(fresh.data, preferences.read(fresh.data))
    after = json.loads((fresh.data / "settings.json").read_text("utf-8"))
    assert {name: after.get(name) for name in before} == before


def test_presets_are_read_from_all_three_files(old: Settings) -> None:
    found, troubles = Presets(old).load()
    assert {name: dataclasses.asdict(preset) for name, preset in found.items()} == VALUES["presets"]
    assert "presets.toml" in troubles, "one place in that file has no name"


def test_a_preset_that_is_saved_leaves_the_others(fresh: Settings) -> None:
    presets = Presets(fresh)
    before = (fresh.data / "presets.toml").read_text("utf-8")
    presets.save("New", "a new one", "")
    assert (fresh.data / "presets.toml").read_text("utf-8").startswith(before.rstrip("\n"))
    assert presets.load()[0].keys() == {*VALUES["presets"], "New"}


def test_what_was_said_of_checkpoints_is_read(old: Settings) -> None:
    assert choices.read(old.data) == {
        str(old.data.parent / name): choices.Override(said.get("architecture", ""), said.get("prediction_type", ""))
        for name, said in VALUES["choices"].items()
    }


def test_hashes_of_whole_files_are_read(old: Settings) -> None:
    found = {path: [list(stamp), sha256] for path, (stamp, sha256) in hashing.read(old.data).items()}
    assert found == {str(old.data.parent / name): kept for name, kept in VALUES["hashes"].items()}


def test_what_was_learnt_is_read(old: Settings) -> None:
    wanted, notes = VALUES["learnt"], LearnedFacts(old.data / "learnt.json")
    plan = ExecutionPlan(device="cuda:0", dtypes={"unet": "float16", "vae": "float16"})
    processor, card = Device(name="Example Processor"), Device(kind="cuda", name="Example Card")
    assert dict(apply_learned(notes, wanted["hash"], processor, plan).dtypes) == wanted["cpu"]
    on_card = apply_learned(notes, wanted["hash"], card, plan)
    assert {
        "dtypes": dict(on_card.dtypes), "measures": list(on_card.measures), "vae_tile": on_card.vae_tile,
    } == wanted["card"]  # fmt: skip
    hashes = {"mine": wanted["hash"], "starter": wanted["starter"]}
    for width, height, steps, guided, speed, which, seconds in wanted["paces"]:
        course = TimingKey(width=width, height=height, steps=steps, guided=guided, speed=speed)
        assert estimate_seconds(notes, hashes[which], processor, course) == (
            seconds if seconds is None else pytest.approx(seconds)
        )


def test_what_was_measured_is_read(old: Settings) -> None:
    notes = LearnedFacts(old.data / "measured.json")
    assert {key: notes.get(key) for key in VALUES["measured"]} == VALUES["measured"]


# Jobs


def describe_job(state: JobState, base: Path) -> dict[str, Any]:
    """A job as ``jobs.json`` has it."""
    plain = {name: getattr(state, name) for name in ("id", "page", "state", "attempt", "place", "submitted", "started", "ended")}
    results = [{**dataclasses.asdict(each), "path": each.path.relative_to(base).as_posix()} for each in state.results]
    return {
        **plain, "error": state.error, "error_kind": state.error_kind, "depth": state.depth, "notices": list(state.notices),
        "request": json.loads(json.dumps(to_json(state.request))), "results": results,
    }  # fmt: skip


def test_the_journal_of_an_easel_that_was_killed_is_read(fresh: Settings) -> None:
    book = Journal(fresh.data / "journal.db")
    try:
        assert [describe_job(state, fresh.data.parent) for state in book.list(limit=1000)] == JOBS["jobs"]
        assert book.order() == JOBS["order"]
        assert {state.state for state in book.list(limit=1000)} == set(NAMES["job_states"])
        gone = {result.path.name for state in book.list(limit=1000) for result in state.results if not result.path.is_file()}
        assert gone == {path.name for path in (OLD / "outputs" / "best of").glob("*-1-42.png")}, "one was moved by hand"
    finally:
        book.close()


def test_what_waited_or_ran_comes_to_its_end(fresh: Settings) -> None:
    with Jobs(fresh, SCRIPTED) as jobs:
        assert not list(fresh.outputs.rglob("*.part")), "what was half written is removed"
        left = {job["id"]: job for job in JOBS["jobs"] if job["state"] in ("queued", "running")}
        end = time.monotonic() + 120
        while not all(jobs.state(job).over for job in left):
            assert time.monotonic() < end, "the queue does not come to its end"
            time.sleep(0.05)
        for job, was in left.items():
            now = jobs.state(job)
            assert now.state == ("cancelled" if was["request"].get("draft") else "finished"), now.error
            assert json.loads(json.dumps(to_json(now.request))) == was["request"]
            there = [result["path"] for result in describe_job(now, fresh.data.parent)["results"]]
            assert there[: len(was["results"])] == [result["path"] for result in was["results"]], "nothing is made twice"
            assert was["request"]["kind"] != "text_to_image" or len(there) == was["request"]["count"]
        assert jobs.latest("first-browser sketch") is not None


def test_the_pictures_that_jobs_start_from_are_kept(old: Settings) -> None:
    blobs = Blobs(old.data / "blobs")
    named = [request.get(name) for request in all_requests() for name in ("init_image", "mask_image", "depth_image")]
    named += [image for request in all_requests() for image in request.get("images", ())]
    assert len(set(named)) > 5
    for hash in {hash for hash in named if hash}:
        assert blobs.open(hash).width > 0


# Requests and images


def test_every_request_is_written_as_it_was() -> None:
    for written in all_requests():
        # The size of what is upscaled follows from the image: it stands in records, and is not asked for.
        size = dict.fromkeys(("width", "height")) if written["kind"] == "upscale" else {}
        assert json.loads(json.dumps(rewrite_request(written))) == {**written, **size}
    assert {written["kind"] for written in all_requests()} == set(NAMES["requests"])


@pytest.mark.parametrize("name", [name for name, picture in PICTURES.items() if picture["record"]])
def test_every_record_is_read_and_written_as_it_was(name: str) -> None:
    wanted, text = PICTURES[name], read_record(OLD / name)
    record = {**wanted["record"], "resolved": add_new_fields_of_plans(wanted["record"]["resolved"])}
    assert text is not None and json.loads(text) == record
    assert describe_record(text) == {part: wanted[part] for part in ("parameters", "source_type")}
    assert json.loads(json.dumps(rewrite_resolved(wanted["record"]["resolved"]))) == record["resolved"]


def add_new_fields_of_plans(resolved: dict[str, Any]) -> dict[str, Any]:
    """``resolved`` with the fields that plans have today, as a plan has them that says nothing of them."""
    today = json.loads(json.dumps(dataclasses.asdict(ExecutionPlan())))
    return {**resolved, "plan": {**today, **resolved["plan"]}}


@pytest.mark.parametrize("name", list(PICTURES))
def test_every_picture_gives_its_settings_back(name: str) -> None:
    checkpoints = ("starter", *(name for name, each in VALUES["catalogue"].items() if each["kind"] == "checkpoint"))
    found = recall_settings(OLD / name, checkpoints)
    assert json.loads(json.dumps(found)) == PICTURES[name]["recalled"]
    assert inspect_image(OLD / name).watermark == PICTURES[name]["watermark"]


def difference(one: Path, other: Path) -> float:
    """Mean difference of two images, of 255."""
    with Image.open(one) as first, Image.open(other) as second:
        a, b = (np.asarray(each.convert("RGB"), dtype=np.float32) for each in (first, second))
    assert a.shape == b.shape
    return float(np.abs(a - b).mean())


def can_be_made_again(name: str) -> bool:
    """Whether the image was made by torch, from a record that says all: studies run several images as one."""
    record = PICTURES[name]["record"]
    if record is None or name.endswith((".jpg", ".webp")) or PICTURES[name]["watermark"]:
        return False
    return "diffusers" in record["resolved"]["environment"] and record["resolved"]["request"]["kind"] != "study_negative"


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """The engine over the old folders, with the preferences as they are at first."""
    settings = place_folders(tmp_path_factory.mktemp("redraw"))
    (settings.data / "settings.json").unlink()
    with Local(dataclasses.replace(settings, precision="float32")) as made:
        yield made


@pytest.mark.parametrize("name", [name for name in PICTURES if can_be_made_again(name)])
def test_a_resolved_request_makes_the_same_picture(name: str, easel: Local, old: Settings) -> None:
    resolved = PICTURES[name]["record"]["resolved"]
    if resolved["checkpoint_hash"] and resolved["checkpoint_hash"] not in checkpoint_hashes(old):
        pytest.skip("the starter that made this picture is another one by now")
    assert difference(redraw(easel, resolved["request"]), OLD / name) < TOLERANCE


# History


def test_the_history_finds_every_picture(fresh: Settings) -> None:
    wanted = VALUES["history"]
    history = History(fresh.outputs, fresh.data)
    try:
        assert [dataclasses.asdict(entry) for entry in history.find(Search(), limit=1000)] == wanted["indexed"]
        assert sum(1 for _ in history.refresh()) > 0, "some came since"
        assert [dataclasses.asdict(entry) for entry in history.find(Search(), limit=1000)] == wanted["all"]
        assert history.checkpoints() == wanted["checkpoints"]
        for asked, names in wanted["searches"].items():
            assert [entry.name for entry in history.find(Search(**json.loads(asked)), limit=1000)] == names
    finally:
        history.close()


def test_favourites_stay(fresh: Settings) -> None:
    wanted = set(VALUES["history"]["favourites"])
    assert favourites.read(fresh.outputs) == wanted
    favourites.set_favourite(fresh.outputs, "another.png", True)
    assert favourites.read(fresh.outputs) == {*wanted, "another.png"}


def test_a_history_that_is_made_again_finds_the_same(fresh: Settings) -> None:
    (fresh.data / "history.db").unlink()
    history = History(fresh.outputs, fresh.data)
    try:
        list(history.refresh())
        assert [dataclasses.asdict(entry) for entry in history.find(Search(), limit=1000)] == VALUES["history"]["all"]
    finally:
        history.close()


# Models


def test_every_file_is_catalogued_as_it_was(old: Settings) -> None:
    found, refused = read_catalogue(old)
    base = old.data.parent
    for name, was in VALUES["catalogue"].items():
        now = found[name]
        assert now == {**{part: was[part] for part in now}, "path": base / was["path"]}
    assert refused == {base / name for name in VALUES["refused"]}


# The page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the whole page on a copy of the old folders."""
    settings = place_folders(tmp_path_factory.mktemp("page"))
    with (
        Jobs(settings, SCRIPTED) as jobs,
        serve(settings, jobs, port=0) as studio,
        httpx.Client(base_url=studio.url, timeout=60) as client,
    ):
        yield client


def test_the_page_comes_up(page: httpx.Client) -> None:
    answer = page.get("/")
    assert answer.status_code == 200 and "Easel" in answer.text


def test_old_addresses_lead_to_pictures(page: httpx.Client) -> None:
    saved = sorted(name.removeprefix("outputs/") for name in PICTURES if name.startswith("outputs/"))
    for name in saved:
        assert page.get(f"/pictures/{name}").content == (OLD / "outputs" / name).read_bytes()
        for small in ("/thumbnails/", "/reduced/"):
            assert page.get(f"{small}{name}").status_code == 200
    drafts = [name.removeprefix("data/drafts/") for name in PICTURES if name.startswith("data/drafts/")]
    assert drafts and all(page.get(f"/drafts/{name}").status_code == 200 for name in drafts)
    hashes = {request["init_image"] for request in all_requests() if "init_image" in request}
    assert hashes and all(page.get(f"/sketches/{hash}").headers["content-type"] == "image/png" for hash in hashes)
    assert set(NAMES["addresses"]) == {"/", "/pictures/", "/drafts/", "/thumbnails/", "/reduced/", "/sketches/"}


# Names


@pytest.mark.parametrize("table", list(TABLES))
def test_no_name_is_gone(table: str) -> None:
    assert set(NAMES[table]) <= set(TABLES[table])


def test_no_kind_of_request_has_lost_a_field_or_changed_what_it_is_by_default() -> None:
    for kind, fields in NAMES["requests"].items():
        required = {"image_to_image": {"init_image": "a"}, "upscale": {"images": ["a"]}}.get(kind, {})
        now = json.loads(json.dumps(rewrite_request({"kind": kind, "mask_area": "", **required})))
        assert {**now, **dict.fromkeys(required)} == {**now, **fields}, kind


def test_no_field_of_a_record_is_gone() -> None:
    assert set(NAMES["plan_fields"]) <= {field.name for field in dataclasses.fields(ExecutionPlan)}
    assert set(NAMES["resolved_fields"]) <= {field.name for field in dataclasses.fields(Resolved)}


RENAMED = {"PictureSaved": "ImageSaved", "picture": "index", "pictures": "count"}
"""Events are never stored and no document names their classes, so these were renamed; CHANGELOG says it."""


def test_no_event_is_gone() -> None:
    for name, fields in NAMES["events"].items():
        now = vars(events)[RENAMED.get(name) or name]
        assert {RENAMED.get(field, field) for field in fields} <= {field.name for field in dataclasses.fields(now)}, name


def test_what_browsers_keep_of_a_form_has_its_fields() -> None:
    named = {"mask_area": "only_masked"}  # a form of earlier versions is read into the new field
    now = {tab: {named.get(field, field) for field in fields} - NEW_FIELDS for tab, fields in FORMS.items()}
    assert {tab: set(fields) for tab, fields in NAMES["forms"].items()} == now


@pytest.mark.parametrize("name", NAMES["imports"])
def test_what_the_documents_import_is_there(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", NAMES["commands"])
def test_what_the_documents_run_is_there(name: str) -> None:
    assert importlib.util.find_spec(f"{name}.__main__") is not None


@pytest.mark.parametrize("program", list(NAMES["flags"]))
def test_no_flag_is_gone(program: str) -> None:
    usage = subprocess.run([sys.executable, program, "--help"], cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    assert set(NAMES["flags"][program]) <= set(re.findall(r"--[a-z][a-z-]*", usage))


@pytest.mark.parametrize(
    ("variable", "folder"),
    [
        ("EASEL_DATA", lambda settings: settings.data),
        ("EASEL_MODELS", lambda settings: settings.models),
        ("EASEL_OUTPUTS", lambda settings: settings.outputs),
    ],
)
def test_environment_variables_move_the_folders(
    variable: str, folder: Callable[[Settings], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert variable in NAMES["environment"]
    monkeypatch.setenv(variable, str(tmp_path / "moved"))
    assert folder(Settings()) == tmp_path / "moved"
