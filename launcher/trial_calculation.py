"""One calculation on the device that PyTorch would choose.

A graphics card newer than the build installs without errors and fails at its first kernel, so it has to be tried.
"""

from __future__ import annotations

import re
import shutil
import threading

from launcher.commands import build_environment, read_lines, start_process
from launcher.folder import Folder
from launcher.progress import Progress
from launcher.setup_errors import SetupError, explain_output

# Runs inside the environment. Says which device it tries before it tries it: a crash is then known to be that device's.
TRIAL = """
import sys, torch, torchvision
names = ("cuda", "xpu", "mps")
parts = {"cuda": torch.cuda, "xpu": getattr(torch, "xpu", None), "mps": torch.backends.mps}
there = [name for name in names if parts[name] is not None and parts[name].is_available()]
device = sys.argv[1] if len(sys.argv) > 1 else (there or ["cpu"])[0]
print("torch", torch.__version__)
print("device", device, flush=True)
picture = torch.ones(1, 3, 32, 32, device=device)
result = torch.nn.functional.conv2d(picture, torch.ones(4, 3, 3, 3, device=device))
assert result.sum().item() == 4 * 27 * 900, "wrong result"
print("works", flush=True)
"""

TIMEOUT = 600.0
"""Seconds after which a device that does not answer counts as broken; a first import from a slow disk takes a minute."""

REASONS = (
    (r"no kernel image|not compatible with the current PyTorch", "this PyTorch has no code for a card so new or so old"),
    (r"out of memory", "its memory is taken by other programs"),
    (r"driver .*(too old|insufficient|outdated)|insufficient driver", "its driver is too old; a newer driver mends that"),
    (r"wrong result", "it calculated a wrong result"),
    (r"not supported|not implemented", "it lacks an operation that Easel needs"),
)


def check_device(folder: Folder, progress: Progress) -> str:
    """The device that works. If it is not the graphics card, the page says why.

    Raises :class:`SetupError` when PyTorch does not even run on the processor.
    """
    said = run_trial(folder, progress)
    device, reason = read_value(said, "device") or "cpu", ""
    if "works" not in said:
        if device == "cpu":
            raise explain_broken_torch(said)
        reason = f"The graphics card ({device}) failed a trial calculation: {find_reason(said)}. Easel uses the processor."
        device, said = "cpu", run_trial(folder, progress, "cpu")
        if "works" not in said:
            raise explain_broken_torch(said)
    elif device == "cpu" and shutil.which("nvidia-smi"):
        reason = f"PyTorch cannot use this computer's NVIDIA card: {find_reason(said)}. Easel uses the processor."
    progress.note(reason or f"Pictures will be made on {device}.")
    return device


def run_trial(folder: Folder, progress: Progress, device: str = "") -> list[str]:
    """The output lines of :data:`TRIAL`, on ``device`` or the one that PyTorch would choose."""
    process = start_process([folder.python, "-c", TRIAL, *([device] if device else [])], folder.root, build_environment())
    timer = threading.Timer(TIMEOUT, process.kill)
    timer.start()
    said: list[str] = []
    for line in read_lines(process):
        said.append(line)
        progress.log_line(line)
    timer.cancel()
    return said


def read_value(said: list[str], name: str) -> str:
    return next((line.split(" ", 1)[1] for line in said if line.startswith(name + " ")), "")


def find_reason(said: list[str]) -> str:
    text = "\n".join(said)
    fallback = next((line for line in reversed(said) if "Error" in line), "no reason was given")
    return next((reason for pattern, reason in REASONS if re.search(pattern, text, re.I)), fallback)


def explain_broken_torch(said: list[str]) -> SetupError:
    """Explain that PyTorch itself does not run."""
    failure = explain_output(said)
    if failure.kind != "unknown":
        return failure
    last = next((line for line in reversed(said) if line.strip()), "it ended without a word")
    return SetupError(f"PyTorch was installed but does not run here: {last}", "Press Repair to install it again.", "torch")
