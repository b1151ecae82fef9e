"""Whatever is in the models folder, all valid files are listed and load, and each bad file gets a sentence of its own."""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import random
import shutil
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.library import search_paths
from engine.checkpoints.library.catalogue import Catalogue, Inventory
from engine.checkpoints.library.entry import CheckpointEntry, entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.checkpoints.load.components import build
from engine.errors import CheckpointError, EaselError
from engine.requests import ExecutionPlan
from engine.settings import HOUSE, Settings
from tests.attack.mutated_weights import CONTENTS, create_sound, mutate_json
from tests.attack.mutations import Mutation, create_mutations, write_folder
from tests.attack.tally import Tally
from ui.common.checkpoint_options import CheckpointOptions
from ui.tabs.checkpoints.service import CheckpointsService

BATCH = 50
"""Mutations that are in the models folder at the same time."""

SECONDS = 120
"""Timeout of a batch, after which the test run ends with the stack of each thread."""


@dataclass
class Counts:
    """Totals over all batches."""

    tried: int = 0
    listed: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    code_run: int = 0


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A models folder with the starter and one valid file of each kind and container."""
    models = tmp_path / "models"
    shutil.copytree(HOUSE / "models" / "starter", models / "starter")
    shutil.copytree(HOUSE / "models" / "starter-x4", models / "starter-x4")
    for kind in CONTENTS:
        for container in ("safetensors", "zip", "legacy"):
            (models / f"sound {kind} {container}.bin").write_bytes(create_sound(kind, container))
    write_folder(models / "sound folder")
    yield Settings(models=models, data=tmp_path / "data", outputs=tmp_path / "outputs")
    for folder, subfolders, _ in os.walk(models):
        for name in subfolders:
            if not (path := Path(folder, name)).is_symlink():
                path.chmod(0o755)


def sound_names(inventory: Inventory) -> set[str]:
    return {entry.name for entry in inventory.entries if entry.name.startswith(("starter", "sound"))}


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.long)])
def test_nothing_in_the_models_folder_hides_or_stops_anything_else(
    count: int, settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str], tally: Tally
) -> None:
    counts, canary = Counts(), tmp_path / "canary"
    wanted = sound_names(Catalogue(settings).scan())
    assert len(wanted) == 3 * len(CONTENTS) + 4
    mutations = list(create_mutations(7, count, canary))
    for first in range(0, count, BATCH):
        batch = mutations[first : first + BATCH]
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            try_batch(batch, settings, wanted, counts)
        finally:
            faulthandler.cancel_dump_traceback_later()
        counts.code_run += canary.exists()
    load_sound(settings)
    printed = "".join(capfd.readouterr())
    counts.traces += [printed] if "Traceback" in printed else []
    tally.add_attempts(counts.tried)
    for name in counts.lost:
        tally.count("lost", 1, name)
    for trace in counts.traces:
        tally.count("traces shown", 1, trace)
    tally.count("code run", counts.code_run)
    assert counts.listed and counts.refused


def try_batch(batch: list[Mutation], settings: Settings, wanted: set[str], counts: Counts) -> None:
    """Lists the folder with ``batch`` in it, as the engine and as the page do, and uses everything that is listed."""
    for mutation in batch:
        mutation.write(settings.models / mutation.name)
    options = CheckpointOptions(settings)
    shown = CheckpointsService(settings, options).render_inventory()
    inventory = options.inventory
    counts.tried += len(batch)
    counts.lost += [f"sound: {name}" for name in wanted - sound_names(inventory)]
    for mutation in batch:
        path = settings.models / mutation.name
        entries = [entry for entry in inventory.entries if path == entry.path or path in entry.path.parents]
        sentences = [why for each, why in inventory.refused.items() if path == each or path in each.parents]
        counts.listed += bool(entries)
        counts.refused += bool(sentences) and not entries
        if not entries and not sentences and not mutation.silent:
            counts.lost.append(mutation.name)
        counts.lost += [f"{mutation.name}: {why!r}" for why in sentences if not is_sentence(why)]
        counts.traces += [trace for entry in entries if (trace := use(entry))]
        remove(path)
    assert "<table" in shown


def is_sentence(text: str) -> bool:
    return text.startswith(("“", "The ")) and text.rstrip().endswith((".", "?")) and "Error:" not in text


def use(entry: CheckpointEntry) -> str:
    """What is printed if ``entry`` fails with anything but a sentence."""
    try:
        if entry.identity.kind == "checkpoint" and not entry.family.loaded_by_diffusers:
            load_checkpoint(entry, ExecutionPlan())
        elif not entry.is_folder:
            read_all(entry.path)
    except EaselError:
        return ""
    except Exception:
        return f"{entry.path.name}: {traceback.format_exc()}"
    return ""


def read_all(path: Path) -> None:
    store = TensorStore([path])
    for name in store.names():
        store.read(name)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.chmod(0o755)
        shutil.rmtree(path)
    else:
        path.unlink()


def load_sound(settings: Settings) -> None:
    """Load the starter again, and read the other valid files whole."""
    inventory = Catalogue(settings).scan()
    assert load_checkpoint(inventory.find("starter"), ExecutionPlan()).unet is not None
    for entry in inventory.entries:
        if not entry.is_folder:
            read_all(entry.path)


@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_a_checkpoint_with_odd_settings_loads_or_says_why(count: int, settings: Settings) -> None:
    """The starter with valid weights and one malformed configuration or tokenizer file."""
    whole, traces, loaded = settings.models / "starter", list[str](), 0
    names = sorted(path for path in whole.rglob("*") if path.suffix in (".json", ".txt"))
    for number in range(count):
        rng = random.Random(number)
        folder, odd = settings.models / "odd", names[number % len(names)]
        shutil.copytree(whole, folder, copy_function=os.link)
        target = folder / odd.relative_to(whole)
        target.unlink()
        if odd.suffix == ".json" and rng.random() < 0.9:
            target.write_bytes(mutate_json(rng, json.loads(odd.read_text("utf-8"))))
        elif rng.random() < 0.8:
            target.write_bytes(odd.read_bytes()[: rng.randrange(1000)] + rng.randbytes(rng.randrange(1000)))
        entries = {entry.path: entry for entry in Catalogue(settings).scan().entries}
        assert whole in entries
        if folder in entries:
            trace = use(entries[folder])
            traces += [f"{odd.name} {number}: {trace}"] if trace else []
            loaded += not trace
        shutil.rmtree(folder)
    print(f"tried {count}, listed and used {loaded}, traces {len(traces)}")
    assert not traces, traces[:5]


@pytest.mark.parametrize("number", [2**31, -(2**63), 10**30])
def test_no_number_in_a_configuration_takes_time_or_memory(number: int, settings: Settings) -> None:
    """Every number of every component's configuration, one at a time."""
    whole, folder, tried = settings.models / "starter", settings.models / "odd", 0
    shutil.copytree(whole, folder, copy_function=os.link)
    for odd in sorted(path for path in whole.rglob("*.json") if path.name in ("config.json", "scheduler_config.json")):
        target, config = folder / odd.relative_to(whole), json.loads(odd.read_text("utf-8"))
        for name, value in config.items():
            for changed in change_numbers(value, number):
                target.unlink()
                target.write_text(json.dumps({**config, name: changed}))
                with pytest.raises(EaselError, match=r"(?s)^(“|The ).*[.?]$"):
                    entry_for(folder).config(target.parent.name)
                tried += 1
        target.unlink()
        os.link(odd, target)
    assert tried > 40


def change_numbers(value: object, number: int) -> Iterator[object]:
    """``value`` with ``number`` instead of each whole number in it."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield number
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from ([*value[:place], changed, *value[place + 1 :]] for changed in change_numbers(each, number))


def test_a_configuration_that_asks_for_endless_layers_is_refused() -> None:
    config = json.loads((HOUSE / "models/starter/unet/config.json").read_text("utf-8"))
    with pytest.raises(CheckpointError, match="more than 20,000 layers"):
        build("UNet2DConditionModel", {**config, "layers_per_block": 10**6})


ODD_INDEX = {
    "a list": b"[]", "nothing": b"", "an empty object": b"{}", "a number": b"5", "not UTF-8": b"\xff\xfe{}", "a page": b"<html>",
    "components that are not there": b'{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}',
    "the starter as a component": b'{"_class_name": "X", "starter": ["diffusers", "UNet2DConditionModel"]}',
    "components outside": b'{"../../x": ["diffusers", "UNet2DConditionModel"]}', "deep": b"[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("content", ODD_INDEX)
@pytest.mark.parametrize("folder", ["", "checkpoints", "loras", "my own"])
def test_an_index_among_other_checkpoints_hides_none_of_them(folder: str, content: str, settings: Settings) -> None:
    place = settings.models / folder
    (place / "below").mkdir(parents=True, exist_ok=True)
    for name in ("beside.safetensors", "below/deeper.ckpt"):
        (place / name).write_bytes(create_sound("lora", "safetensors"))
    wanted = {entry.path for entry in Catalogue(settings).scan().entries}
    (place / "model_index.json").write_bytes(ODD_INDEX[content])
    inventory = Catalogue(settings).scan()
    hidden = {path for path in wanted - {entry.path for entry in inventory.entries} if content != "the starter as a component"}
    assert not hidden
    assert is_sentence(inventory.refused[place])


def test_a_whole_checkpoint_in_the_models_folder_itself_hides_nothing(settings: Settings) -> None:
    wanted = sound_names(Catalogue(settings).scan())
    write_folder(settings.models)
    inventory = Catalogue(settings).scan()
    assert {entry.name for entry in inventory.entries} == {*wanted, "models"}


def test_folders_that_may_not_be_read_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulates refused permissions, since root ignores real ones."""
    scandir = os.scandir
    for name in ("locked", "open"):
        (settings.models / name).mkdir()
        (settings.models / name / "lora.safetensors").write_bytes(create_sound("lora", "safetensors"))

    def refuse(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    inventory = Catalogue(settings).scan()
    assert "may not read it" in inventory.refused[settings.models / "locked"]
    assert "open/lora" in {entry.name for entry in inventory.entries}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_without_rights_sees_a_sentence_for_each(settings: Settings) -> None:
    """For another user: a folder that can be listed but not entered, one that can be entered but not listed, and a file."""
    paths = {"listed": 0o744, "entered": 0o711, "none": 0o700}
    for name, mode in paths.items():
        (settings.models / name / "inside").mkdir(parents=True)
        (settings.models / name / "lora.safetensors").write_bytes(create_sound("lora", "safetensors"))
        (settings.models / name).chmod(mode)
    (settings.models / "file.ckpt").write_bytes(create_sound("lora", "zip"))
    (settings.models / "file.ckpt").chmod(0o600)
    for folder in (settings.models, *settings.models.parents):
        if folder.stat().st_mode & 0o5 != 0o5 and folder.is_relative_to(Path(os.environ.get("TMPDIR", "/tmp"))):
            folder.chmod(0o755)
    told, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        refused = Catalogue(settings).scan().refused
        os.write(write, "\n".join(f"{path.relative_to(settings.models)}: {why}" for path, why in refused.items()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(told) as stream:
        lines = stream.read().splitlines()
    assert os.waitpid(child, 0)[1] == 0
    named = {line.partition(":")[0] for line in lines}
    assert named == {"listed/inside", "listed/lora.safetensors", "entered", "none", "file.ckpt"}


def test_a_link_to_the_whole_disk_hides_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_paths, "MOST_FOLDERS", 300)
    wanted = sound_names(Catalogue(settings).scan())
    (settings.models / "a disk").symlink_to("/")
    inventory = Catalogue(settings).scan()
    assert sound_names(inventory) == wanted
    assert "more files and folders than Easel looks through" in inventory.refused[settings.models]


def test_the_same_seed_writes_the_same_mutations(tmp_path: Path) -> None:
    written: list[dict[str, bytes]] = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        for mutation in create_mutations(3, 16, tmp_path / "canary"):
            mutation.write(folder / mutation.name)
        files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
        written.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert written[0] == written[1]
