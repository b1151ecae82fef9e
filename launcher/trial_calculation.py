"""One calculation on the device that PyTorch would choose, and whether the build for the graphics card has arrived.

A graphics card newer than the build installs without errors and fails at its first kernel, so it has to be tried.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from typing import Mapping

from launcher.commands import build_environment, read_lines, start_process
from launcher.folder import Folder, Installed
from launcher.progress import Progress
from launcher.setup_errors import SetupError, explain_output
from launcher.torch_build.choose import REPAIR, Build, has_code

# Runs inside the environment. Says which device it tries before it tries it: a crash is then known to be that device's.
TRIAL = """
import sys, torch, torchvision
names = ("cuda", "xpu", "mps")
parts = {"cuda": torch.cuda, "xpu": getattr(torch, "xpu", None), "mps": torch.backends.mps}
kinds = [kind for kind in ("cuda", "hip", "xpu") if getattr(torch.version, kind, None)]
compiled = getattr(torch._C, "_cuda_getArchFlags", lambda: None)() or ""
print("torch", torch.__version__)
print("built for", *kinds, flush=True)
print("code for", compiled, flush=True)
there = [name for name in names if parts[name] is not None and parts[name].is_available()]
device = sys.argv[1] if len(sys.argv) > 1 else (there or ["cpu"])[0]
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
    (r"driver .*(too old|insufficient|outdated)|insufficient driver", "its driver is too old. Update it and start Easel again"),
    (r"wrong result", "it calculated a wrong result"),
    (r"not supported|not implemented", "it lacks an operation that Easel needs"),
)

UNSEEN = {
    "cuda": "PyTorch does not see it. Restart the computer; if that does not help, install the newest driver for it",
    "hip": "PyTorch does not see it. Make yourself a member of the groups “render” and “video” (sudo usermod -aG render,video "
    "$USER), then log in again",
    "xpu": "PyTorch does not see it. Install Intel's newest graphics driver (on Linux also its compute runtime and Level Zero), "
    "then start Easel again",
}
"""By the variant of a build that has arrived: why its device may still be missing, and what helps."""

GFX_VERSION = "HSA_OVERRIDE_GFX_VERSION"
"""With it, an AMD card runs the code of a sister chip."""


@dataclass(frozen=True)
class Trial:
    """What :data:`TRIAL` said, and what of it counts."""

    lines: list[str]

    @property
    def works(self) -> bool:
        return "works" in self.lines

    @property
    def device(self) -> str:
        return self._read("device") or "cpu"

    @property
    def variants(self) -> list[str]:
        """The kinds of cards that PyTorch was built for: cuda, hip or xpu."""
        return self._read("built for").split()

    @property
    def compiled(self) -> list[str]:
        """The architectures that PyTorch has code for."""
        return self._read("code for").split()

    def _read(self, name: str) -> str:
        return next((line[len(name) :].strip() for line in self.lines if line.startswith(name + " ")), "")


def check_device(folder: Folder, progress: Progress, build: Build) -> Installed:
    """Try the device, and say on the page which one works; if it is not the graphics card, why.

    Raises :class:`SetupError` when PyTorch does not even run on the processor.
    """
    variables = find_variables(folder, progress, build)
    trial = run_trial(folder, progress, variables=variables)
    if trial.works and trial.device != "cpu":
        progress.note(f"Pictures will be made on {trial.device}.")
        return Installed(build.backend, "", variables)
    if not trial.works and (trial.device == "cpu" or not run_trial(folder, progress, "cpu").works):
        raise explain_broken_torch(trial.lines)
    note = explain_unused_card(build, trial)
    lasting = note if trial.works or not has_arrived(build, trial) else ""  # the engine tries the card itself at each start
    if trial.device != "cpu" and not note:
        note = f"The graphics card ({trial.device}) failed a trial calculation: {find_reason(trial.lines)}."
    progress.note(f"{note} Easel uses the processor." if note else "Pictures will be made on cpu.")
    return Installed(build.backend, lasting, variables)


def find_variables(folder: Folder, progress: Progress, build: Build) -> dict[str, str]:
    """The environment variables that the card needs. What the person has set is left alone."""
    if not build.gfx_version or GFX_VERSION in os.environ or build.card is None:
        return {}
    compiled = run_trial(folder, progress, "cpu").compiled
    return {} if build.card.architecture in compiled else {GFX_VERSION: build.gfx_version}


def has_arrived(build: Build, trial: Trial) -> bool:
    """Whether the installed PyTorch is the card's build and has code for it."""
    return not build.variant or (build.variant in trial.variants and has_code(build, trial.compiled))


def explain_unused_card(build: Build, trial: Trial) -> str:
    """A sentence on why the card is not used and what to do; "" if there is none, or if it failed the calculation."""
    reason = build.reason
    if build.variant and build.variant not in trial.variants:
        reason = (
            "the PyTorch that is installed was not built for it. The one that is comes from download.pytorch.org: see that this "
            f"address can be reached from here, {REPAIR}"
        )
    elif not has_code(build, trial.compiled):
        reason = f"the PyTorch that is installed has no code for its chip. Update Easel, {REPAIR}"
    elif build.variant and trial.device == "cpu":
        reason = find_reason(trial.lines, UNSEEN[build.variant])
    return f"{build.card_name} cannot be used: {reason}." if reason else ""


def run_trial(folder: Folder, progress: Progress, device: str = "", variables: Mapping[str, str] | None = None) -> Trial:
    """Run :data:`TRIAL` on ``device`` or the one that PyTorch would choose."""
    environment = build_environment(**(variables or {}))
    process = start_process([folder.python, "-c", TRIAL, *([device] if device else [])], folder.root, environment)
    timer = threading.Timer(TIMEOUT, process.kill)
    timer.start()
    said: list[str] = []
    for line in read_lines(process):
        said.append(line)
        progress.log_line(line)
    timer.cancel()
    return Trial(said)


def find_reason(said: list[str], otherwise: str = "no reason was given") -> str:
    """The reason in a trial's output, by :data:`REASONS`; else its error message, else ``otherwise``."""
    text = "\n".join(said)
    fallback = next((line for line in reversed(said) if "Error" in line), otherwise)
    return next((reason for pattern, reason in REASONS if re.search(pattern, text, re.I)), fallback)


def explain_broken_torch(said: list[str]) -> SetupError:
    """Explain that PyTorch itself does not run."""
    failure = explain_output(said)
    if failure.kind != "unknown":
        return failure
    last = next((line for line in reversed(said) if line.strip()), "it ended without a word")
    return SetupError(f"PyTorch was installed but does not run here: {last}", "Press Repair to install it again.", "torch")
