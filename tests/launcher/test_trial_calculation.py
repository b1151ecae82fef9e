"""The trial calculation: really, with the PyTorch that is here; and with the words of broken cards."""

from __future__ import annotations

import pytest

from launcher.folder import Folder
from launcher.progress import Progress
from launcher.setup_errors import SetupError
from launcher.torch_build.cards import Card
from launcher.torch_build.choose import Build
from launcher.trial_calculation import GFX_VERSION, check_device
from tests.launcher.conftest import program


def stand_in(folder: Folder, card: str, processor: str = "echo torch 2.15\necho device cpu\necho works") -> None:
    """A Python that says what PyTorch says: ``card`` when it may choose, ``processor`` when it is told to use that."""
    program(folder.python, f'#!/bin/sh\nif [ "$3" = cpu ]; then\n{processor}\nelse\n{card}\nfi\n')


def outcome(folder: Folder, progress: Progress, build: Build | None = None) -> tuple[str, str]:
    """Why the card is not used: as the page shows it, and as the studio shows it later. Both are empty if it is used."""
    installed = check_device(folder, progress, build or Build())
    (said,) = progress.notes
    return "" if said.startswith("Pictures will be made on") else said, installed.note


def test_this_computer_calculates(this_python: Folder, progress: Progress) -> None:
    outcome(this_python, progress)
    assert "works" in progress.log_lines()


@pytest.mark.parametrize(
    ("words", "because"),
    [
        ("RuntimeError: CUDA error: no kernel image is available for execution", "no code for a card so new or so old"),
        ("torch.OutOfMemoryError: CUDA out of memory.", "taken by other programs"),
        ("AssertionError: wrong result", "a wrong result"),
        ("RuntimeError: something else", "RuntimeError: something else"),
        ("", "no reason was given"),
    ],
)
def test_a_card_that_fails_gives_way_to_the_processor_with_a_reason(
    folder: Folder, progress: Progress, words: str, because: str
) -> None:
    stand_in(folder, f"echo torch 2.15\necho device cuda\necho '{words}'\nexit 1")
    reason, later = outcome(folder, progress)
    assert because in reason and reason.endswith("Easel uses the processor.")
    assert later == "", "the engine tries the card again at each start"


def test_a_card_that_crashes_the_process_gives_way_too(folder: Folder, progress: Progress) -> None:
    stand_in(folder, "echo torch 2.15\necho device xpu\nkill -SEGV $$")
    assert outcome(folder, progress)[0].endswith("Easel uses the processor.")


def test_a_card_that_never_answers_gives_way_too(folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.trial_calculation.TIMEOUT", 0.5)
    stand_in(folder, "echo torch 2.15\necho device cuda\nexec sleep 60")
    assert outcome(folder, progress)[0].endswith("Easel uses the processor.")


def test_a_card_that_works_is_used(folder: Folder, progress: Progress) -> None:
    stand_in(folder, "echo torch 2.15+cu132\necho device cuda\necho works")
    assert outcome(folder, progress) == ("", "")
    assert progress.notes == ["Pictures will be made on cuda."]


RTX = Card("nvidia", "GeForce RTX 3060", "sm_86", "580.65.06")
RADEON = Card("amd", "", "gfx1031")
ARC = Card("intel", "", "0x56a0")
UNSEEN = "echo torch 2.15\necho built for {}\necho code for {}\necho device cpu\necho works"


@pytest.mark.parametrize(
    ("build", "words", "because"),
    [
        (
            Build(card=RTX, reason="its driver is too old"),
            "echo device cpu\necho works",
            "GeForce RTX 3060 cannot be used: its driver",
        ),
        (Build("cu132", RTX), UNSEEN.format("", ""), "was not built for it"),
        (
            Build("rocm7.2", RADEON),
            UNSEEN.format("cuda", "sm_86"),
            "The AMD card cannot be used: the PyTorch that is installed was not",
        ),
        (Build("cu132", RTX), UNSEEN.format("cuda", "sm_90 sm_100"), "has no code for its chip"),
        (Build("cu132", RTX), UNSEEN.format("cuda", "sm_80"), "does not see it. Restart"),
        (Build("rocm7.2", RADEON), UNSEEN.format("hip", "gfx1031"), "“render” and “video”"),
        (Build("xpu", ARC), UNSEEN.format("xpu", ""), "Level Zero"),
        (
            Build("cu132", RTX),
            "echo 'Warning: the NVIDIA driver is too old'\n" + UNSEEN.format("cuda", "sm_86"),
            "its driver is too old",
        ),
    ],
)
def test_a_card_without_its_build_is_said_now_and_in_the_studio(
    folder: Folder, progress: Progress, build: Build, words: str, because: str
) -> None:
    stand_in(folder, words)
    reason, later = outcome(folder, progress, build)
    assert because in reason and reason == f"{later} Easel uses the processor."


def test_a_build_without_code_for_the_card_is_said_although_the_card_is_seen(folder: Folder, progress: Progress) -> None:
    stand_in(folder, "echo built for cuda\necho code for sm_90\necho device cuda\necho 'no kernel image'\nexit 1")
    reason, later = outcome(folder, progress, Build("cu132", RTX))
    assert later and reason.startswith(later)


@pytest.mark.parametrize(("compiled", "needed"), [("gfx1030", {GFX_VERSION: "10.3.0"}), ("gfx1030 gfx1031", {})])
def test_an_amd_card_runs_the_code_of_a_sister_chip_if_there_is_none_for_its_own(
    folder: Folder, progress: Progress, compiled: str, needed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(GFX_VERSION, raising=False)
    card = 'echo "device cuda"\necho "as $' + GFX_VERSION + '"\necho works'
    stand_in(folder, card, f"echo built for hip\necho code for {compiled}\necho device cpu\necho works")
    installed = check_device(folder, progress, Build("rocm7.2", RADEON, gfx_version="10.3.0"))
    assert installed.variables == needed
    assert f"as {needed.get(GFX_VERSION, '')}".rstrip() in progress.log_lines()


def test_what_the_person_set_for_an_amd_card_is_left_alone(
    folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GFX_VERSION, "11.0.0")
    stand_in(folder, f'echo "device cuda"\necho "as ${GFX_VERSION}"\necho works')
    assert check_device(folder, progress, Build("rocm7.2", RADEON, gfx_version="10.3.0")).variables == {}
    assert "as 11.0.0" in progress.log_lines()


def test_a_pytorch_that_does_not_run_is_a_failure(folder: Folder, progress: Progress) -> None:
    stand_in(folder, "echo 'ImportError: libfoo.so.1: cannot open shared object file'\nexit 1")
    with pytest.raises(SetupError, match=r"does not run here: ImportError: libfoo"):
        check_device(folder, progress, Build())
