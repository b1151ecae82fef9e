"""The Settings tab: when checkpoints are unloaded, the button that frees memory, and what the self-test found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.descriptions import EngineDescription, FreedMemory
from engine.jobs import Jobs
from engine.plan.hardware.facts import Device, to_text
from engine.plan.remedies import AGREES, DIFFERS, SelfTestResult, write_result
from engine.preferences import MOST_MINUTES, Preferences, read
from engine.requests import TextToImage
from engine.settings import VERSION, Settings
from tests.engine.plan.conftest import MACHINES
from ui import messages, sentences
from ui.common.estimate import explain_device
from ui.tabs.settings.service import SettingsService, list_disk_parts, remove_caches
from ui.tabs.settings.view import read_changes, render_machine

FORM: dict[str, Any] = {
    "extra_models": "", "extra_outputs": "", "precision": "auto", "compile": False, "keep_usable": False, "unload_minutes": 30,
    "leave_metadata_out": False, "safety_checker": False, "watermark": "", "file_format": "png", "quality": "",
    "name_pattern": "",
}  # fmt: skip
AMPERE = MACHINES["NVIDIA Ampere"]
DESCRIBED = EngineDescription(device=AMPERE.device.name, hardware=to_text(AMPERE))


@pytest.mark.parametrize(("written", "minutes"), [
    (45, 45), (0, 0), (None, Preferences().unload_minutes), (-3, 0), (10**9, MOST_MINUTES), (12.6, 13),
])  # fmt: skip
def test_after_how_long_checkpoints_are_unloaded_is_kept_within_bounds(
    written: float | None, minutes: int, tmp_path: Path
) -> None:
    service = SettingsService(Settings(data=tmp_path))
    assert messages.SAVED in service.save({**FORM, "unload_minutes": written})
    assert read(tmp_path).unload_minutes == service.read()[0]["unload_minutes"] == minutes


def test_what_was_given_back_is_said() -> None:
    said = sentences.freed_memory(FreedMemory(device=3 * 2**30, ram=2**30, checkpoints=("starter", "an XL")))
    assert said == (
        "Given back: 3.0 GB of the graphics card's memory and 1.0 GB of RAM. Unloaded: “starter”, “an XL”. "
        "The next picture loads its checkpoint again."
    )
    assert "“starter”" in sentences.freed_memory(FreedMemory(ram=1000, checkpoints=("starter",)))
    assert "No checkpoint was loaded" in sentences.freed_memory(FreedMemory(ram=1000))


def test_the_version_and_what_is_new_in_it_are_shown(tmp_path: Path) -> None:
    for described in (None, DESCRIBED):
        shown = render_machine(described, False, tmp_path)
        assert VERSION in shown and "--update" in shown
    log = tmp_path / "CHANGELOG.md"
    log.write_text(
        "# Changelog\n\n## 2.0\n\nNew:\n\n* A `word` in [docs](a.md), *Queue*\n  and more.\n* Two\n\n## 1.0\n\n* Old\n", "utf-8"
    )
    assert read_changes(log) == ["A word in docs, Queue and more.", "Two"]
    assert read_changes(tmp_path / "none") == []


def test_the_self_test_of_every_device_is_shown(tmp_path: Path) -> None:
    assert "Not tested yet" in render_machine(DESCRIBED, False, tmp_path)
    found = SelfTestResult(state=AGREES, versions={"torch": "2"}, remedies=("vae_float32",), date="2026-11-30")
    write_result(tmp_path, AMPERE.device, found)
    write_result(tmp_path, Device(name="a CPU"), SelfTestResult(state=AGREES, versions={"torch": "2"}, date="2026-11-29"))
    shown = render_machine(DESCRIBED, False, tmp_path)
    assert "wrong pictures. Since 2026-11-30" in shown and "the decoder (VAE) runs in float32" in shown
    assert "a CPU (cpu): On 2026-11-29" in shown


@pytest.mark.parametrize(("result", "said"), [
    (SelfTestResult(), ""),
    (SelfTestResult(state=AGREES, versions={"torch": "2"}), ""),
    (SelfTestResult(state=AGREES, versions={"torch": "2"}, remedies=("contiguous",)), "wrong pictures"),
    (SelfTestResult(state=DIFFERS, versions={"torch": "2"}), "Update its driver"),
])  # fmt: skip
def test_a_device_that_computes_wrong_numbers_is_said_on_every_tab(result: SelfTestResult, said: str, tmp_path: Path) -> None:
    write_result(tmp_path, AMPERE.device, result)
    shown = explain_device(AMPERE, tmp_path)
    assert said in shown if said else shown == ""


def test_the_disk_is_shown_by_part_and_caches_are_removed_while_nothing_runs() -> None:
    settings = Settings()
    for name in ("thumbnails/a.webp", "graphs/b.bin", "blobs/c"):
        path = settings.data / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(1000))
    sizes = {part.label: part.measure() for part in list_disk_parts(settings)}
    assert [sizes[label] for label in (messages.DISK_THUMBNAILS, messages.DISK_COMPILED, messages.DISK_BLOBS)] == [1000] * 3
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
        jobs.pause()
        job = jobs.submit(TextToImage(prompt="a cat"))
        assert messages.CACHES_IN_USE in remove_caches(settings, jobs)
        jobs.stop(job)
        assert "freed" in remove_caches(settings, jobs)
    left = {part.label: part.measure() for part in list_disk_parts(settings) if part.measure()}
    assert left.keys() & sizes.keys() >= {messages.DISK_BLOBS} and messages.DISK_THUMBNAILS not in left
