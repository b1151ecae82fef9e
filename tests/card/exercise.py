"""In the child: makes the pictures of rows of the table on a card, and says what went wrong."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image

from engine.checkpoints.control.recognition import KIND
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.upscalers import BUILT_IN
from engine.events import Event, ImageSaved, Notice
from engine.generate import prepare
from engine.generate.estimate import Circumstances, plan_for
from engine.generate.upscale import diffusion
from engine.local import Local
from engine.plan.ladder import RUNGS, apply
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import (
    LATENT,
    CompareNegative,
    Control,
    ExecutionPlan,
    GenerationRequest,
    ImageToImage,
    Request,
    ResolvedGeneration,
    StudyNegative,
    TextToImage,
    Upscale,
)
from engine.settings import Settings
from engine.stopping import Stop
from tests.card.combinations import CONTROLLED, Row

PROMPT, NEGATIVE = "a cat on a roof", "blur, red sky"
LORAS = {"sd1": "one", "xl": "for xl"}
SIDES = {"vae_tiles": 576, "vae_small_tiles": 320}
"""Rung -> the side of the pictures that show it, where that is not :data:`SIDE`."""
SIDE = 64

UPSCALERS = {1: "x4_upscaler", 2: BUILT_IN}
"""Number of images -> what upscales them afterwards."""

IMAGES: dict[str, Callable[[Row], int]] = {
    "compare_negative": lambda row: 2,
    "study_negative": lambda row: 4,
    "upscale_afterwards": lambda row: 2 * row.count,
}
"""Kind of request -> how many pictures it makes at least, where that is not ``count``."""

TROUBLE = re.compile("Memory|cannot|invalid|instead")
"""Notices that say that a card was not used as planned have one of these words."""


@contextmanager
def start_engine(models: Path, **settings: Any) -> Iterator[tuple[Local, Settings]]:
    """The engine on the card, with folders of its own."""
    with TemporaryDirectory(prefix="easel-card-") as folder:
        own = Settings(models=models, data=Path(folder) / "data", outputs=Path(folder) / "outputs", **settings)
        with Local(own) as local:
            torch.set_num_threads(1)
            yield local, own
        torch.cuda.empty_cache()


def try_rows(models: Path, rows: Sequence[Row]) -> list[str]:
    """What went wrong, a line each."""
    with start_engine(models) as (local, settings):
        blobs = Blobs(settings.data / "blobs")
        return [f"{row}: {wrong}" for number, row in enumerate(rows) for wrong in _try(local, blobs, f"job{number}", row)]


def _try(local: Local, blobs: Blobs, job: str, row: Row) -> Iterator[str]:
    try:
        with save_memory(row.rung, row.refiner):
            events = list(local.run(job, create_request(row, blobs), Stop()))
    except Exception as error:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if "/engine/" in frame.filename]
        yield f"{type(error).__name__}: {error} ({Path(own[-1].filename).name}:{own[-1].lineno})"
    else:
        yield from _find_faults(row, events)


def _find_faults(row: Row, events: Sequence[Event]) -> Iterator[str]:
    yield from (event.text for event in events if isinstance(event, Notice) and TROUBLE.search(event.text))
    saved = [event.result.path for event in events if isinstance(event, ImageSaved)]
    wanted = IMAGES.get(row.kind, lambda row: row.count)(row)
    if len(saved) < wanted:
        yield f"{len(saved)} pictures, not {wanted}"
    record = metadata.read(saved[0]) if saved else None
    resolved = record.resolved if record else None
    measures = resolved.plan.measures if resolved else ()
    if row.rung and row.rung not in measures:
        yield f"saved memory by {measures}"
    if resolved and bool(row.control) != any(name.startswith(KIND) for name in resolved.environment):
        yield f"was made on {resolved.environment}"
    request = resolved.request if resolved else None
    if isinstance(request, ResolvedGeneration) and row.kind.startswith("hires") != bool(request.hires):
        yield "has another number of passes"


@contextmanager
def save_memory(rung: str, refined: bool = False) -> Iterator[None]:
    """Every plan begins with the measures down to ``rung`` inside the block. ``refined``: a refiner takes over."""

    def plan(entry: CheckpointEntry, asked: Request, here: Circumstances) -> ExecutionPlan:
        plan = plan_for(entry, asked, here)
        names = [each.name for each in RUNGS]
        for each in RUNGS[: names.index(rung) + 1] if rung else ():
            takes_turns = refined and isinstance(asked, GenerationRequest)
            if each.usable(plan) and each.name != "cpu" and takes_turns >= each.refined and _is_enlarged(asked) >= each.enlarged:
                plan = apply(plan, each)
        on_cpu = ExecutionPlan(dtypes=dict.fromkeys(plan.dtypes, "float32"))
        return apply(plan, RUNGS[-1], on_cpu) if rung == "cpu" else plan

    with ExitStack() as stack:
        for module in (prepare, diffusion):
            stack.enter_context(patch.object(module, "plan_for", plan))
        yield


def _is_enlarged(asked: Request) -> bool:
    return isinstance(asked, GenerationRequest) and bool(asked.hires)


def create_request(row: Row, blobs: Blobs) -> Request:
    """The request of a row."""
    prompt = f"{PROMPT} <lora:{LORAS[row.family]}:0.8>" if row.lora else PROMPT
    side = SIDES.get(row.rung, SIDE)
    common: dict[str, Any] = {
        "prompt": prompt, "negative_prompt": NEGATIVE, "seed": 1, "steps": 3, "guidance_scale": 5.0,
        "precision": "float32" if row.rung == "unet_half_storage" else "auto",
    }  # fmt: skip
    if row.kind == "upscale":
        images = tuple(_picture(blobs, shade) for shade in range(row.count))
        return Upscale(**common, images=images, upscaler=row.family, factor=2.0)
    generation: dict[str, Any] = {
        **common, "checkpoint": row.family, "width": side, "height": side, "count": row.count, "speed": row.speed,
        "refiner": "xl_refiner" if row.refiner else None, "controls": _list_controls(row, blobs),
    }  # fmt: skip
    return _generate(row, generation, blobs)


def _list_controls(row: Row, blobs: Blobs) -> tuple[Control, ...]:
    if not row.control:
        return ()
    shows = "canny" if row.control.startswith("union") else ""
    return (Control(model=f"{CONTROLLED[row.family]} {row.control}", image=_picture(blobs, 5), shows=shows),)


def _generate(row: Row, common: dict[str, Any], blobs: Blobs) -> GenerationRequest:
    picture = _picture(blobs, 0)
    kinds: dict[str, Callable[[], GenerationRequest]] = {
        "text_to_image": lambda: TextToImage(**common, hires=False),
        "upscale_afterwards": lambda: TextToImage(**common, hires=False, upscaler=UPSCALERS[row.count]),
        "hires": lambda: TextToImage(**common, hires=True),
        "hires_latents": lambda: TextToImage(**common, hires=True, hires_upscaler=LATENT),
        "image_to_image": lambda: ImageToImage(**common, init_image=picture),
        "inpaint": lambda: ImageToImage(**common, init_image=picture, mask_image=_picture(blobs, 255)),
        "depth": lambda: ImageToImage(**common, init_image=picture, depth_image=_picture(blobs, 9)),
        "compare_negative": lambda: CompareNegative(**common),
        "study_negative": lambda: StudyNegative(**common),
    }
    return kinds[row.kind]()


def _picture(blobs: Blobs, shade: int) -> str:
    return blobs.put(Image.linear_gradient("L").rotate(shade).resize((SIDE, SIDE)).convert("RGB"))
