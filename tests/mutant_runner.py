"""Runs pytest again and again in processes that need not import the large libraries anew: ``python -m tests.mutant_runner``.

Reads a line of JSON with pytest's arguments, runs them in a fork and writes its exit code; 1 as well if it takes too long.
"""

from __future__ import annotations

import json
import os
import sys
import time
from types import ModuleType

import diffusers
import hypothesis
import pytest
import torch
import transformers

LONGEST = 900
"""Seconds."""

PRELOADED = (
    torch, hypothesis, diffusers.StableDiffusionPipeline, diffusers.StableDiffusionXLPipeline, transformers.CLIPTextModel,
)  # fmt: skip
"""Diffusers and transformers import a class when its name is first asked for."""


def run_apart(arguments: list[str]) -> int:
    """The exit code of pytest in a fork."""
    child = os.fork()
    if not child:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.setsid()
        sys.modules["__main__"] = ModuleType("__main__")  # what multiprocessing would import again in each process that it spawns
        os._exit(int(pytest.main(arguments)))
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return 1


if __name__ == "__main__":
    for line in sys.stdin:
        print(run_apart(json.loads(line)), flush=True)
