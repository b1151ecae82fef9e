"""How many of Easel's own frames lie between a request and the UNet, counted in a hook on the UNet."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import engine
from engine.local import Local
from engine.requests import TextToImage
from engine.settings import Settings
from tests.engine.checkpoints import tiny

ENGINE = Path(engine.__file__).parent
REQUEST = TextToImage(prompt="a cat", negative_prompt="a dog, rain", checkpoint="sd1", width=32, height=32, steps=2, seed=1)


def easels_frames(frame: FrameType | None) -> list[str]:
    """Easel's own functions and generators on the stack, from ``frame`` up to Local.make."""
    found: list[str] = []
    while frame is not None:
        if ENGINE in Path(frame.f_code.co_filename).parents:
            found.append(frame.f_code.co_qualname)
        if frame.f_code is Local.make.__code__:
            return found
        frame = frame.f_back
    raise AssertionError("the UNet was not called by Local.make")


@contextmanager
def recorded_frames(local: Local) -> Iterator[list[list[str]]]:
    """The frames of each call of the UNet of the checkpoint ``sd1`` within the block. It has to be loaded already."""
    unet = next(held.loaded.modules["unet"] for held in local._state.cache._held.values() if held.entry.name == "sd1")
    stacks: list[list[str]] = []
    handle = unet.register_forward_pre_hook(lambda *_: stacks.append(easels_frames(sys._getframe())))
    try:
        yield stacks
    finally:
        handle.remove()


def deepest_frames() -> list[str]:
    """The frames of a text to image request with a tiny checkpoint, the UNet's first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny.pipeline("sd1").save_pretrained(folder / "models" / "sd1")
        settings = Settings(models=folder / "models", data=folder / "data", outputs=folder / "outputs", device="cpu")
        with Local(settings) as local:
            local.make(REQUEST)
            with recorded_frames(local) as stacks:
                local.make(REQUEST)
    return max(stacks, key=len)
