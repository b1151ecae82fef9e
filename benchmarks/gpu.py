"""What can only be measured on a graphics card: eager and compiled speed, batches, little memory, out of memory, precision.

Checkpoints of full size with random weights are made here. Every line is printed as soon as it is known, each part runs in a
process of its own, and a part for which no time is left is left out: a run that is cut off still tells what it had.
``python -m benchmarks.gpu PART FOLDER`` runs one part alone. Without a card all parts run with tiny checkpoints on the CPU:
that shows that they run, and measures nothing.
"""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.diffusers import relative_error
from benchmarks.full_size import write_checkpoint
from benchmarks.gpu_loops import Clocked, Loop, by_diffusers, by_easel, find_misplaced, plateau, seconds
from benchmarks.perceptual import psnr
from engine import Local, Settings, TextToImage
from engine.checkpoints.adapters.additions import NOTHING
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.generate.samplers import create
from engine.generate.speed.compile import run_compiled
from engine.preferences import Preferences
from engine.preferences import write as prefer
from engine.records import metadata
from engine.requests import ExecutionPlan
from engine.stopping import Stop

HOUSE = Path(__file__).resolve().parent.parent
SAMPLER = "DPM++ 2M Karras"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What is run, and how large. ``wide``: side of the larger images in pixels; ``latents``: side of the others in latents."""

    device: str
    request: TextToImage
    batches: tuple[int, ...]
    wide: int
    latents: int
    tiny: bool = False


_REQUEST = TextToImage(
    prompt="a cat on the beach", checkpoint="sd1", width=512, height=512, steps=20, scheduler=SAMPLER, seed=0, count=6
)
CARD = Scale(device="cuda:0", request=_REQUEST, batches=(1, 2, 4, 8, 16), wide=1024, latents=64)
CPU = Scale(
    device="cpu", request=replace(_REQUEST, width=64, height=64, steps=4, count=2), batches=(1, 2), wide=128, latents=8, tiny=True
)
SCALE = CARD if torch.cuda.is_available() else CPU
GIB = 2**30
NO_CARD = (
    "This benchmark needs a graphics card that torch can use through CUDA or ROCm; this computer has none. "
    "Each part is only tried with a tiny checkpoint on the CPU: its figures mean nothing."
)
SECONDS = 285
"""A part is skipped if it would probably end after this many seconds."""


def main() -> None:
    """Run every part in a separate process and print its lines."""
    if SCALE.device == "cpu":
        tell(NO_CARD)
    else:
        card = torch.cuda.get_device_properties(0)
        tell(f"{card.name}, {card.total_memory / GIB:.0f} GiB")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, part in PARTS.items():
            left = SECONDS - (time.perf_counter() - began)
            if left < part.seconds:
                tell(f"-- {name}: left out, {left:.0f} s of {SECONDS} were left and it takes about {part.seconds}")
                continue
            tell(f"-- {name}, after {time.perf_counter() - began:.0f} s")
            in_process(name, folder, left)


def in_process(part: str, folder: str, left: float) -> None:
    """Run a part; its output appears at once."""
    command = [sys.executable, "-m", "benchmarks.gpu", part, folder]
    try:
        done = subprocess.run(command, cwd=HOUSE, timeout=left).returncode
    except subprocess.TimeoutExpired:
        tell(f"{part}: cut off")
    else:
        if done:
            tell(f"{part}: ended with {done}")


def tell(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


@contextmanager
def try_part(what: str) -> Iterator[None]:
    """Print a failure inside the block in one line, and continue with the next part."""
    try:
        yield
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        tell(f"{what}: FAILED, {type(error).__name__}: {str(error).strip()[:300]} ({Path(at.filename).name}:{at.lineno})")


# The parts


def speed(folder: Path) -> None:
    """Plain diffusers, Easel as it is, Easel compiled, and the compiled UNet with nothing around it."""
    tell(f"torch {torch.__version__}, {SCALE.request.count} pictures of {SCALE.request.steps} steps with {SAMPLER}")
    rates: dict[str, Clocked] = {}
    with try_part("plain diffusers"):
        rates["plain diffusers, eager float16"] = plain(folder)
    with Local(settings(folder)) as easel:
        for name, compile_it in (("Easel, eager", False), ("Easel, compiled", True)):
            with try_part(name):
                rates[name] = easels(easel, folder, name, compile_it)
        with try_part("the bare loop"):
            bare(easel, rates["Easel, compiled"])
    compare(rates)


def write(folder: Path, family: str) -> None:
    """A checkpoint with random weights, drawn on the device, unless an earlier part wrote it."""
    path, device = folder / "models" / family, SCALE.device
    if path.exists():
        return
    took = seconds(device, lambda: write_checkpoint(path, family=family, device=device, tiny=SCALE.tiny))
    torch.cuda.empty_cache()
    tell(f"a {'tiny checkpoint' if SCALE.tiny else 'checkpoint of full size'} of {family} was made in {took:.0f} s")


def plain(folder: Path) -> Clocked:
    """Diffusers with its defaults except ``dtype``."""
    from diffusers import StableDiffusionPipeline

    pipeline: Any = StableDiffusionPipeline.from_pretrained(folder / "models" / "sd1", dtype=torch.float16, local_files_only=True)
    pipeline.to(SCALE.device)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = create(SAMPLER, pipeline.scheduler.config)
    by_diffusers(pipeline, replace(SCALE.request, count=1), SCALE.device, folder)
    return highest("plain diffusers", partial(by_diffusers, pipeline, SCALE.request, SCALE.device, folder))


def easels(easel: Local, folder: Path, name: str, compile_it: bool) -> Clocked:
    """Easel, after a first image that loads and compiles."""
    prefer(folder / "data", Preferences(compile=compile_it))
    slug = re.sub(r"\W+", "-", name)
    first = seconds(SCALE.device, lambda: by_easel(easel, replace(SCALE.request, count=1), f"{slug}-first"))
    tell(f"{name}: the first picture, loading and compiling included, {first:.1f} s")
    made = highest(name, lambda: by_easel(easel, SCALE.request, f"{slug}-more"))
    plan = plan_of(made)
    tell(f"{name}: compiler {plan.compiler or 'none'}, {dict(plan.dtypes)}, said: {' '.join(made.said) or 'nothing'}")
    return made


def highest(name: str, run: Callable[[], Clocked]) -> Clocked:
    """The result of ``run``; also prints its peak of memory."""
    gc.collect()
    torch.cuda.empty_cache()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    made = run()
    used, held = torch.cuda.max_memory_allocated() / GIB, torch.cuda.max_memory_reserved() / GIB
    tell(f"{name}: {made.rate:.1f} it/s in the loop, {made.each:.3f} s a picture end to end")
    tell(f"{name}: peak {used:.2f} GiB, {held:.2f} GiB held")
    return made


def bare(easel: Local, made: Clocked) -> None:
    """The UNet as Easel compiled it, alone and with a sampler, compared with Easel's loop."""
    with lease(easel, made) as checkpoint, run_compiled(checkpoint, checkpoint.plan, NOTHING, Stop()):
        loop = loop_of(checkpoint)
        for name, run in (("UNet alone", loop.unet_alone), ("UNet and sampler", loop.with_sampler)):
            rate = loop.rate(run, 60)
            tell(f"bare compiled loop, {name}: {rate:.1f} it/s; Easel's loop takes {rate / made.rate - 1:+.1%} longer")


def compare(rates: Mapping[str, Clocked]) -> None:
    """Ratios to the first."""
    (_, first), *rest = rates.items()
    for name, made in rest:
        loop, whole = made.rate / first.rate, first.each / made.each
        tell(f"{name}: {loop:.2f} times as fast as plain diffusers in the loop, {whole:.2f} times end to end")


def batches(folder: Path) -> None:
    """Images per second of the uncompiled UNet, by batch size."""
    with Local(settings(folder)) as easel:
        made = by_easel(easel, replace(SCALE.request, count=1, steps=2), "batches")
        with lease(easel, made) as checkpoint:
            found: dict[int, float] = {}
            for batch in SCALE.batches:
                with try_part(f"batch of {batch}"):
                    loop = loop_of(checkpoint, batch)
                    found[batch] = batch * loop.rate(loop.with_sampler, 12)
                    tell(f"batch of {batch}, eager: {found[batch]:.1f} pictures' steps a second")
            enough, alone = plateau(found)
            tell(f"within 5 % of the plateau from a batch of {enough} on; one picture at a time reaches {alone:.0%} of it")


def numbers(folder: Path) -> None:
    """Precisions on the card, the same image twice, and how far the planned precision is from float32."""
    asked = replace(SCALE.request, count=1)
    with Local(settings(folder)) as easel:
        first, again = (by_easel(easel, asked, job) for job in ("first", "again"))
        with lease(easel, first) as checkpoint:
            dtypes = checkpoint.plan.dtypes
            count, wrong = find_misplaced(checkpoint.modules, SCALE.device, dtypes)
        tell(f"{count} tensors on {SCALE.device} in {dict(dtypes)}; elsewhere or otherwise: {', '.join(wrong[:5]) or 'none'}")
        same = np.array_equal(pixels(first), pixels(again))
        tell(f"the same request twice gives the same bits: {'yes' if same else 'NO'}; levels vary by {pixels(first).std():.1f}")
        exact = pixels(by_easel(easel, replace(asked, precision="float32"), "exact"))
    error = relative_error(pixels(first), exact)
    tell(f"relative error of the picture against float32: {error:.2%}, PSNR {psnr(pixels(first), exact):.1f} dB")


def little(folder: Path) -> None:
    """SD 1.5 at 512 with 2 GiB, which the plan takes into account."""
    within(folder, SCALE.request, 2, told=True)


def faults(folder: Path) -> None:
    """Memory runs out although the plan expected enough: the ladder of measures."""
    within(folder, SCALE.request, 2, told=False)
    within(folder, replace(SCALE.request, width=SCALE.wide, height=SCALE.wide), 3, told=False)


def xl(folder: Path) -> None:
    """XL at 1024 with 4 GiB, which the plan takes into account."""
    within(folder, replace(SCALE.request, checkpoint="xl", width=SCALE.wide, height=SCALE.wide), 4, told=True)


def within(folder: Path, asked: TextToImage, gigabytes: int, told: bool) -> None:
    """One image of a few steps while torch may use only ``gigabytes`` of the card; ``told``: the plan knows."""
    asked = replace(asked, count=1, steps=6)
    name = f"{asked.checkpoint} at {asked.width} in {gigabytes} GiB, {'known' if told else 'not known'} to the plan"
    with try_part(name), tempfile.TemporaryDirectory() as fresh, Local(settings(folder, Path(fresh))) as easel:
        if told:
            know(easel, gigabytes * GIB)
        if torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(gigabytes * GIB / torch.cuda.get_device_properties(0).total_memory)
        made = highest(name, lambda: by_easel(easel, asked, "within"))
        plan = plan_of(made)
        measures, said = ", ".join(plan.measures) or "none", " ".join(made.said) or "nothing"
        tell(f"{name}: finished on {plan.device}; measures: {measures}; said: {said}")


def know(easel: Local, room: int) -> None:
    """Make the plan assume ``room`` free bytes on the card."""
    hardware = easel._state.hardware
    device = replace(hardware.device, total_bytes=room, free_bytes=room)
    easel._state = replace(easel._state, hardware=replace(hardware, device=device))


@contextmanager
def lease(easel: Local, made: Clocked) -> Iterator[LoadedCheckpoint]:
    """The checkpoint that made an image, loaded as the image's record says."""
    state = easel._state
    with state.cache.lease(state.catalogue.find("sd1"), plan_of(made)) as checkpoint:
        yield checkpoint


def loop_of(checkpoint: LoadedCheckpoint, images: int = 1) -> Loop:
    """The bare loop of a checkpoint's UNet."""
    return Loop(unet=checkpoint.unet, sampler=SAMPLER, config=checkpoint.scheduler_config, side=SCALE.latents, images=images)


def plan_of(made: Clocked) -> ExecutionPlan:
    """What the last image's file says of its plan."""
    record = metadata.read(made.paths[-1])
    assert record is not None
    return record.resolved.plan


def pixels(made: Clocked) -> np.ndarray:
    """The last image."""
    with Image.open(made.paths[-1]) as saved:
        return np.asarray(saved.convert("RGB"), np.float64)


def settings(folder: Path, fresh: Path | None = None) -> Settings:
    """Checkpoints of ``folder``; what is learnt and made there too, or in ``fresh``."""
    own = fresh or folder
    return replace(Settings(), models=folder / "models", data=own / "data", outputs=own / "outputs")


def again(folder: Path) -> None:
    """A new process that reuses earlier compiled code."""
    with Local(settings(folder)) as easel:
        easels(easel, folder, "Easel, compiled, after a restart", True)


@dataclass(frozen=True)
class Part:
    """``seconds``: about how long it takes at least. ``families``: the checkpoints that it needs."""

    run: Callable[[Path], None]
    seconds: int
    families: tuple[str, ...] = ("sd1",)


PARTS = {
    "speed": Part(speed, 60), "little": Part(little, 20), "faults": Part(faults, 30), "numbers": Part(numbers, 20),
    "xl": Part(xl, 50, ("xl",)), "batches": Part(batches, 25), "again": Part(again, 40),
}  # fmt: skip
"""The most important come first."""


def run_part(name: str, folder: Path) -> None:
    """Run a part in this process."""
    for family in PARTS[name].families:
        write(folder, family)
    PARTS[name].run(folder)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_part(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
