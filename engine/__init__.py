"""Easel's engine: makes images with Stable Diffusion on this machine. It does not depend on the page.

Imports run one way: ``local, jobs -> idle -> generate -> checkpoints, negatives, prompt, plan, records -> requests, events ...``.

In five lines (torch is imported when ``Local`` is made)::

    from engine import Local, TextToImage

    with Local() as easel:
        for result in easel.make(TextToImage(prompt="a cat on the beach", seed=1)):
            print(result.path)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.offline import disable_reports
from engine.requests import DTYPES, CompareNegative, StudyNegative, TextToImage
from engine.settings import VERSION, Settings

if TYPE_CHECKING:
    from engine.jobs import Jobs, claim
    from engine.local import Local

disable_reports()

__all__ = ["DTYPES", "VERSION", "CompareNegative", "Jobs", "Local", "Settings", "StudyNegative", "TextToImage", "claim"]

_LATER = {"Local": "engine.local", "Jobs": "engine.jobs", "claim": "engine.jobs"}
"""Names that are imported when they are first used, so that the page is up before torch is."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATER[name]), name)
