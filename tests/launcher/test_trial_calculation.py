"""The trial calculation: really, with the PyTorch that is here; and with the words of broken cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.folder import Folder
from launcher.progress import Progress
from launcher.setup_errors import SetupError
from launcher.trial_calculation import check_device
from tests.launcher.conftest import program


def stand_in(folder: Folder, card: str, processor: str = "echo torch 2.15\necho device cpu\necho works") -> None:
    """A Python that says what PyTorch says: ``card`` when it may choose, ``processor`` when it is told to use that."""
    program(folder.python, f'#!/bin/sh\nif [ "$3" = cpu ]; then\n{processor}\nelse\n{card}\nfi\n')


def outcome(folder: Folder, progress: Progress) -> tuple[str, str]:
    """The device, and why it is not the card, as the page shows it."""
    device = check_device(folder, progress)
    (said,) = progress.notes
    return device, "" if said == f"Pictures will be made on {device}." else said


def test_this_computer_calculates(this_python: Folder, progress: Progress) -> None:
    device, reason = outcome(this_python, progress)
    assert device in ("cpu", "cuda", "xpu", "mps")
    assert (reason == "") or device == "cpu"
    assert progress.notes


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
    device, reason = outcome(folder, progress)
    assert device == "cpu"
    assert because in reason and "the processor" in reason
    assert progress.notes == [reason]


def test_a_card_that_crashes_the_process_gives_way_too(folder: Folder, progress: Progress) -> None:
    stand_in(folder, "echo torch 2.15\necho device xpu\nkill -SEGV $$")
    assert outcome(folder, progress)[0] == "cpu"


def test_a_card_that_never_answers_gives_way_too(folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.trial_calculation.TIMEOUT", 0.5)
    stand_in(folder, "echo torch 2.15\necho device cuda\nexec sleep 60")
    assert outcome(folder, progress)[0] == "cpu"


def test_a_card_that_works_is_used(folder: Folder, progress: Progress) -> None:
    stand_in(folder, "echo torch 2.15+cu132\necho device cuda\necho works")
    assert outcome(folder, progress) == ("cuda", "")


def test_a_card_that_pytorch_does_not_see_is_said(
    folder: Folder, progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin" / "nvidia-smi", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    stand_in(folder, "echo 'Warning: the NVIDIA driver is too old'\necho torch 2.15\necho device cpu\necho works")
    device, reason = outcome(folder, progress)
    assert device == "cpu" and "its driver is too old" in reason


def test_a_pytorch_that_does_not_run_is_a_failure(folder: Folder, progress: Progress) -> None:
    stand_in(folder, "echo 'ImportError: libfoo.so.1: cannot open shared object file'\nexit 1")
    with pytest.raises(SetupError, match=r"does not run here: ImportError: libfoo"):
        check_device(folder, progress)
