"""What drivers and systems answer, written down by hand; and one look at the machine that the tests run on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from engine.plan.hardware import probe, system
from engine.plan.hardware.choose_device import choose_device, drop_device
from engine.plan.hardware.driver_errors import FAULTS, is_lost, is_out_of_memory, read_fault
from engine.plan.hardware.facts import Answer, Cpu, Device, Machine
from launcher.folder import Folder, Installed

GIB = 2**30
MACHINE = Machine(cpu=Cpu(name="a CPU"), ram_total=16 * GIB, ram_available=12 * GIB)
WITH_NVIDIA = dataclasses.replace(MACHINE, cards=frozenset({"nvidia"}))
RTX = Device(kind="cuda", name="NVIDIA GeForce RTX 4070", capability=(8, 9), total_bytes=12 * GIB, free_bytes=11 * GIB)
SECOND = Device(kind="cuda", index=1, name="NVIDIA RTX A6000", capability=(8, 6), total_bytes=48 * GIB, free_bytes=47 * GIB)
NEW = Device(kind="cuda", name="NVIDIA GeForce RTX 6090", capability=(13, 0), total_bytes=32 * GIB, free_bytes=31 * GIB)

OLD_DRIVER = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading and "
    "installing a new version"
)
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be reported later"
NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver"


def test_a_card_that_works_is_taken_without_a_word() -> None:
    found = choose_device([Answer(kind="cuda", device=RTX)], MACHINE)
    assert (found.device, found.notes) == (RTX, ())
    assert [d.kind for d in found.devices] == ["cuda", "cpu"]


def test_of_two_cards_the_larger_is_taken_and_the_other_can_be_asked_for() -> None:
    answers = [Answer(kind="cuda", device=RTX), Answer(kind="cuda", device=SECOND)]
    assert choose_device(answers, MACHINE).device is SECOND
    assert choose_device(answers, MACHINE, "cuda:0").device is RTX
    assert choose_device(answers, MACHINE, "cpu").device.kind == "cpu"


def test_no_card_and_no_driver_is_the_normal_case_and_said_by_nobody() -> None:
    not_built = Answer(kind="xpu", trouble="Torch not compiled with XPU enabled")
    found = choose_device([Answer(kind="cuda", trouble=NO_DRIVER), not_built], MACHINE)
    assert (found.device.kind, found.notes) == ("cpu", ())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(kind="cuda", trouble=OLD_DRIVER), "its driver is too old"),
        (Answer(kind="cuda", trouble=NO_DRIVER), "its driver is not installed"),
        (Answer(kind="cuda", trouble="Torch not compiled with CUDA enabled"), "built without support"),
        (Answer(kind="cuda", device=NEW, trouble=NO_KERNEL), "the card is newer than torch"),
        (Answer(kind="cuda", device=RTX, trouble="CUDA out of memory. Tried to allocate 20.00 MiB"), "its memory is full"),
        (Answer(kind="cuda", device=RTX, trouble="all CUDA-capable devices are busy or unavailable"), "another program"),
        (Answer(kind="cuda", trouble="CUDA initialization: CUDA unknown error - this may be due to"), "it stopped responding"),
        (Answer(kind="cuda", device=RTX, trouble="wrong result: 0.0, nan"), "wrong numbers"),
        (Answer(kind="cuda", device=RTX, trouble="cuInit: entirely unforeseen"), "it does not start"),
    ],
)
def test_each_fault_falls_back_to_the_cpu_and_says_why(answer: Answer, words: str) -> None:
    found = choose_device([answer], WITH_NVIDIA)
    assert found.device.kind == "cpu"
    assert words in found.notes[0]
    assert found.notes[-1] == "Easel uses the CPU instead, which is much slower."


def test_an_amd_card_that_this_torch_was_not_built_for() -> None:
    with_amd = dataclasses.replace(MACHINE, cards=frozenset({"amd"}))
    not_built = Answer(kind="rocm", trouble="not compiled with support for this maker's cards")
    assert (
        choose_device([not_built], with_amd)
        .notes[0]
        .startswith("The AMD card cannot be used: the installed torch was built without")
    )
    assert choose_device([not_built, Answer(kind="cuda", device=RTX)], with_amd).notes == ()


NOTE = (
    "GeForce RTX 4070 cannot be used: its driver (550.144.03) is too old. Update the driver to 580 or newer, then press Repair."
)
NOT_BUILT = [
    Answer(kind="cuda", trouble="Torch not compiled with CUDA enabled"),
    Answer(kind="rocm", trouble="not compiled with support for this maker's cards"),
]


def test_what_the_set_up_found_out_about_the_card_takes_the_place_of_guesses() -> None:
    noted = dataclasses.replace(WITH_NVIDIA, setup_note=NOTE)
    assert choose_device(NOT_BUILT, noted).notes == (NOTE, "Easel uses the CPU instead, which is much slower.")
    assert choose_device(NOT_BUILT, dataclasses.replace(MACHINE, setup_note=NOTE)).notes[0] == NOTE, (
        "of cards unknown to torch, too"
    )
    assert choose_device([Answer(kind="cuda", device=RTX)], noted).notes == ()
    assert choose_device(NOT_BUILT, noted, "cpu").notes == ()


@pytest.mark.parametrize(
    ("stamp", "note"),
    [(json.dumps({"note": NOTE}), NOTE), ("{}", ""), ("[]", ""), ("{", ""), ('{"note": 1}', "1"), (None, "")],
)
def test_the_note_of_the_set_up_is_read_where_there_is_one(tmp_path: Path, stamp: str | None, note: str) -> None:
    if stamp is not None:
        (tmp_path / "easel-stamp.json").write_text(stamp, "utf-8")
    assert system.read_setup_note(tmp_path) == note


def test_the_launcher_writes_the_note_where_the_engine_reads_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv").mkdir()
    Folder(tmp_path).mark_ready(set(), Installed("cpu", NOTE))
    assert system.read_setup_note(tmp_path / ".venv") == NOTE


def test_a_broken_card_beside_one_that_works() -> None:
    found = choose_device([Answer(kind="cuda", device=NEW, trouble=NO_KERNEL), Answer(kind="cuda", device=SECOND)], MACHINE)
    assert found.device is SECOND
    assert found.notes[0].startswith("NVIDIA GeForce RTX 6090 cannot be used")
    assert found.notes[-1] == "Easel uses NVIDIA RTX A6000 instead."


def test_a_device_that_was_asked_for_and_is_not_there() -> None:
    found = choose_device([Answer(kind="cuda", device=RTX)], MACHINE, "cuda:7")
    assert found.device is RTX
    assert "'cuda:7' was asked for" in found.notes[0]


def test_who_asks_for_the_cpu_is_not_bothered_with_broken_cards() -> None:
    found = choose_device([Answer(kind="cuda", device=NEW, trouble=NO_KERNEL)], MACHINE, "cpu")
    assert (found.device.kind, found.notes) == ("cpu", ())


def test_a_card_without_memory_information_is_used_and_said() -> None:
    silent = dataclasses.replace(RTX, total_bytes=None, free_bytes=None)
    found = choose_device([Answer(kind="cuda", device=silent)], MACHINE)
    assert found.device is silent
    assert "does not say how much memory is free" in found.notes[0]


def test_no_memory_information_at_all() -> None:
    found = choose_device([], Machine())
    assert (found.device.kind, found.device.free_bytes) == ("cpu", None)
    assert found.notes[0].startswith("This computer does not say")


def test_a_card_that_disappears_in_the_middle_leaves_the_cpu_and_a_sentence() -> None:
    before = choose_device([Answer(kind="cuda", device=RTX)], MACHINE)
    after = drop_device(before, RTX, "CUDA error: unspecified launch failure")
    assert after.device.kind == "cpu"
    assert RTX not in after.devices
    assert after.notes == (
        "NVIDIA GeForce RTX 4070 cannot be used: it stopped responding. Restart the computer if it does not come back.",
        "Easel uses the CPU instead, which is much slower.",
    )


def test_every_fault_is_found_by_its_own_pattern_and_the_last_by_anything() -> None:
    assert read_fault("").name == FAULTS[-1].name == "broken"
    assert all(fault.words and not fault.words.endswith(".") for fault in FAULTS)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError("HIP out of memory."),
        RuntimeError("not enough memory: you tried to allocate 400 bytes."),
    ],
)
def test_full_memory_is_told_from_other_errors(error: BaseException) -> None:
    assert is_out_of_memory(error) and not is_lost(error)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_lost_card_is_told_from_other_errors() -> None:
    assert is_lost(RuntimeError("CUDA error: unspecified launch failure"))
    assert not is_lost(ValueError("device lost"))
    assert not is_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_this_machine_answers() -> None:
    found = probe.probe("cpu")
    assert found.device.kind == "cpu" and found.devices[-1].kind == "cpu"
    assert found.ram_total and found.ram_available and found.ram_available <= found.ram_total
    assert found.cpu.arch and found.cpu.features
    assert probe.read_free_bytes(found.device)


def test_free_memory_can_be_asked_again() -> None:
    before = probe.probe("cpu")
    stale = dataclasses.replace(before.on(dataclasses.replace(before.device, free_bytes=1)), ram_available=1)
    fresh = probe.refresh(stale)
    assert fresh.device.free_bytes and fresh.device.free_bytes > 2**20
    assert fresh.ram_available and fresh.ram_available > 2**20
    assert dataclasses.replace(fresh, device=before.device, ram_available=before.ram_available) == before


def test_what_a_driver_raises_becomes_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError(OLD_DRIVER)

    monkeypatch.setattr(torch.cuda, "init", refuse)
    monkeypatch.setattr(torch.version, "hip", None)
    answer = next(iter(probe.ask_drivers()))
    assert (answer.kind, answer.device) == ("cuda", None)
    assert read_fault(answer.trouble).name == "driver_old"


PHANTOMS = tuple(Device(kind="xpu", index=60 + size, name="a phantom", total_bytes=size << 30) for size in (1, 3, 2))
"""Device strings that this torch has no backend for take the place of cards that its wheel has no kernels for."""


@pytest.fixture
def phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "ask_drivers", lambda: [Answer(kind="xpu", device=phantom) for phantom in PHANTOMS])


def test_cards_that_are_seen_but_run_nothing_are_left_out_one_after_the_other(phantoms: None) -> None:
    found = probe.probe()
    assert found.device.kind == "cpu" and found.devices == (found.device,)
    assert sum("a phantom cannot be used" in note for note in found.notes) == len(PHANTOMS)


@pytest.mark.parametrize(("prefer", "tried"), [("auto", [63, 62, 61]), ("xpu:62", [62, 63, 61])])
def test_cards_are_tried_until_one_works_and_the_others_are_left_alone(
    prefer: str, tried: list[int], phantoms: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def compute(device: str) -> bool:
        asked.append(int(device.partition(":")[2]))
        if asked[-1] == tried[0]:
            raise RuntimeError("no kernel image is available")
        return True

    monkeypatch.setattr(probe, "_kernels", compute)
    found = probe.probe(prefer)
    assert asked == tried[:2] and found.device.index == tried[1]
    assert {device.index for device in found.devices if device.kind == "xpu"} == {*tried[1:]}
