"""Measurements that need a graphics card: eager and compiled speed, batches, little memory, out of memory, precision.

Checkpoints of full size with random weights are generated. Each line is printed at once, each part runs in a separate process,
and a part for which no time is left is skipped, so an interrupted run still shows its results.
``python -m benchmarks.gpu PART FOLDER`` runs a single part. Without a card, all parts run with tiny checkpoints on the CPU, which
only tests that they run.
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
from benchmarks.gpu_loops import Loop, TimedJob, find_misplaced, find_plateau, measure_seconds, run_diffusers, run_easel
from benchmarks.perceptual import psnr
from engine import Local, Settings, TextToImage
from engine.checkpoints.adapters.additions import NOTHING
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.generate.samplers import create
from engine.generate.speed.compile import run_compiled
from engine.preferences import Preferences
from engine.preferences import write as prefer
from engine.records import metadata
from engine.requests import ExecutionPlan, ResolvedGeneration
from engine.stopping import Stop

HOUSE = Path(__file__).resolve().parent.parent
SAMPLER, SCHEDULE = "DPM++ 2M", "Karras"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The sizes of a run. ``wide``: side of the larger images in pixels; ``latents``: side of the others in latents."""

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
        print_now(NO_CARD)
    else:
        card = torch.cuda.get_device_properties(0)
        print_now(f"{card.name}, {card.total_memory / GIB:.0f} GiB")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, part in PARTS.items():
            left = SECONDS - (time.perf_counter() - began)
            if left < part.seconds:
                print_now(f"-- {name}: left out, {left:.0f} s of {SECONDS} were left and it takes about {part.seconds}")
                continue
            print_now(f"-- {name}, after {time.perf_counter() - began:.0f} s")
            in_process(name, folder, left)


def in_process(part: str, folder: str, left: float) -> None:
    """Run a part; its output appears at once."""
    command = [sys.executable, "-m", "benchmarks.gpu", part, folder]
    try:
        done = subprocess.run(command, cwd=HOUSE, timeout=left).returncode
    except subprocess.TimeoutExpired:
        print_now(f"{part}: cut off")
    else:
        if done:
            print_now(f"{part}: ended with {done}")


def print_now(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


@contextmanager
def try_part(what: str) -> Iterator[None]:
    """Print a failure inside the block in one line, and continue with the next part."""
    try:
        yield
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        print_now(f"{what}: FAILED, {type(error).__name__}: {str(error).strip()[:300]} ({Path(at.filename).name}:{at.lineno})")


# The parts


def measure_speed(folder: Path) -> None:
    """Compare plain diffusers, Easel eager, Easel compiled, and the compiled UNet in a bare loop."""
    print_now(f"torch {torch.__version__}, {SCALE.request.count} pictures of {SCALE.request.steps} steps with {SAMPLER}")
    rates: dict[str, TimedJob] = {}
    with try_part("plain diffusers"):
        rates["plain diffusers, eager float16"] = time_diffusers(folder)
    with Local(create_settings(folder)) as easel:
        for name, compile_it in (("Easel, eager", False), ("Easel, compiled", True)):
            with try_part(name):
                rates[name] = time_easel(easel, folder, name, compile_it)
        with try_part("the bare loop"):
            measure_bare_loop(easel, rates["Easel, compiled"])
    compare(rates)


def write_once(folder: Path, family: str) -> None:
    """Write a checkpoint with random weights, unless an earlier part did."""
    path, device = folder / "models" / family, SCALE.device
    if path.exists():
        return
    took = measure_seconds(device, lambda: write_checkpoint(path, family=family, device=device, tiny=SCALE.tiny))
    torch.cuda.empty_cache()
    print_now(f"a {'tiny checkpoint' if SCALE.tiny else 'checkpoint of full size'} of {family} was made in {took:.0f} s")


def time_diffusers(folder: Path) -> TimedJob:
    """Time diffusers with its defaults except ``dtype``."""
    from diffusers import StableDiffusionPipeline

    pipeline: Any = StableDiffusionPipeline.from_pretrained(folder / "models" / "sd1", dtype=torch.float16, local_files_only=True)
    pipeline.to(SCALE.device)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = create(SAMPLER, pipeline.scheduler.config, SCHEDULE)
    run_diffusers(pipeline, replace(SCALE.request, count=1), SCALE.device, folder)
    return report_peak("plain diffusers", partial(run_diffusers, pipeline, SCALE.request, SCALE.device, folder))


def time_easel(easel: Local, folder: Path, name: str, compile_it: bool) -> TimedJob:
    """Time Easel, after a first image that loads and compiles."""
    prefer(folder / "data", Preferences(compile=compile_it))
    slug = re.sub(r"\W+", "-", name)
    first = measure_seconds(SCALE.device, lambda: run_easel(easel, replace(SCALE.request, count=1), f"{slug}-first"))
    print_now(f"{name}: the first picture, loading and compiling included, {first:.1f} s")
    made = report_peak(name, lambda: run_easel(easel, SCALE.request, f"{slug}-more"))
    plan = read_plan(made)
    print_now(f"{name}: compiler {plan.compiler or 'none'}, {dict(plan.dtypes)}, said: {' '.join(made.said) or 'nothing'}")
    return made


def report_peak(name: str, run: Callable[[], TimedJob]) -> TimedJob:
    """The result of ``run``; also prints its peak memory."""
    gc.collect()
    torch.cuda.empty_cache()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    made = run()
    used, held = torch.cuda.max_memory_allocated() / GIB, torch.cuda.max_memory_reserved() / GIB
    print_now(f"{name}: {made.rate:.1f} it/s in the loop, {made.each:.3f} s a picture end to end")
    print_now(f"{name}: peak {used:.2f} GiB, {held:.2f} GiB held")
    return made


def measure_bare_loop(easel: Local, made: TimedJob) -> None:
    """Compare the UNet as Easel compiled it, alone and with a sampler, with Easel's loop."""
    data = easel._state.settings.data
    with lease_checkpoint(easel, made) as checkpoint, run_compiled(checkpoint, checkpoint.plan, Stop(), data) as compiled:
        compiled.start_image(read_request(made), NOTHING)
        loop = create_loop(checkpoint)
        for name, run in (("UNet alone", loop.unet_alone), ("UNet and sampler", loop.with_sampler)):
            rate = loop.rate(run, 60)
            print_now(f"bare compiled loop, {name}: {rate:.1f} it/s; Easel's loop takes {rate / made.rate - 1:+.1%} longer")


def compare(rates: Mapping[str, TimedJob]) -> None:
    """Print the speed relative to the first entry."""
    (_, first), *rest = rates.items()
    for name, made in rest:
        loop, whole = made.rate / first.rate, first.each / made.each
        print_now(f"{name}: {loop:.2f} times as fast as plain diffusers in the loop, {whole:.2f} times end to end")


def measure_batches(folder: Path) -> None:
    """Print the images per second of the uncompiled UNet by batch size."""
    with Local(create_settings(folder)) as easel:
        made = run_easel(easel, replace(SCALE.request, count=1, steps=2), "batches")
        with lease_checkpoint(easel, made) as checkpoint:
            found: dict[int, float] = {}
            for batch in SCALE.batches:
                with try_part(f"batch of {batch}"):
                    loop = create_loop(checkpoint, batch)
                    found[batch] = batch * loop.rate(loop.with_sampler, 12)
                    print_now(f"batch of {batch}, eager: {found[batch]:.1f} pictures' steps a second")
            enough, alone = find_plateau(found)
            print_now(f"within 5 % of the plateau from a batch of {enough} on; one picture at a time reaches {alone:.0%} of it")


def check_precision(folder: Path) -> None:
    """Check the dtypes on the card, that two runs give equal images, and the planned precision's error relative to float32."""
    asked = replace(SCALE.request, count=1)
    with Local(create_settings(folder)) as easel:
        first, again = (run_easel(easel, asked, job) for job in ("first", "again"))
        with lease_checkpoint(easel, first) as checkpoint:
            dtypes = checkpoint.plan.dtypes
            count, wrong = find_misplaced(checkpoint.modules, SCALE.device, dtypes)
        print_now(
            f"{count} tensors on {SCALE.device} in {dict(dtypes)}; elsewhere or otherwise: {', '.join(wrong[:5]) or 'none'}"
        )
        same = np.array_equal(read_pixels(first), read_pixels(again))
        varies = read_pixels(first).std()
        print_now(f"the same request twice gives the same bits: {'yes' if same else 'NO'}; levels vary by {varies:.1f}")
        exact = read_pixels(run_easel(easel, replace(asked, precision="float32"), "exact"))
    error = relative_error(read_pixels(first), exact)
    print_now(f"relative error of the picture against float32: {error:.2%}, PSNR {psnr(read_pixels(first), exact):.1f} dB")


def run_in_2_gib(folder: Path) -> None:
    """SD 1.5 at 512 with 2 GiB, known to the plan."""
    run_within(folder, SCALE.request, 2, is_planned=True)


def exhaust_memory(folder: Path) -> None:
    """Memory runs out although the plan expected enough: tests the fallbacks."""
    run_within(folder, SCALE.request, 2, is_planned=False)
    run_within(folder, replace(SCALE.request, width=SCALE.wide, height=SCALE.wide), 3, is_planned=False)


def run_xl_in_4_gib(folder: Path) -> None:
    """XL at 1024 with 4 GiB, known to the plan."""
    run_within(folder, replace(SCALE.request, checkpoint="xl", width=SCALE.wide, height=SCALE.wide), 4, is_planned=True)


def run_within(folder: Path, asked: TextToImage, gigabytes: int, is_planned: bool) -> None:
    """One image of a few steps while torch may use only ``gigabytes`` of the card; ``is_planned``: the plan knows the limit."""
    asked = replace(asked, count=1, steps=6)
    name = f"{asked.checkpoint} at {asked.width} in {gigabytes} GiB, {'known' if is_planned else 'not known'} to the plan"
    with try_part(name), tempfile.TemporaryDirectory() as fresh, Local(create_settings(folder, Path(fresh))) as easel:
        if is_planned:
            set_free_memory(easel, gigabytes * GIB)
        if torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(gigabytes * GIB / torch.cuda.get_device_properties(0).total_memory)
        made = report_peak(name, lambda: run_easel(easel, asked, "within"))
        plan = read_plan(made)
        measures, said = ", ".join(plan.measures) or "none", " ".join(made.said) or "nothing"
        print_now(f"{name}: finished on {plan.device}; measures: {measures}; said: {said}")


def set_free_memory(easel: Local, room: int) -> None:
    """Make the plan assume ``room`` free bytes on the card."""
    hardware = easel._state.hardware
    device = replace(hardware.device, total_bytes=room, free_bytes=room)
    easel._state = replace(easel._state, hardware=replace(hardware, device=device))


@contextmanager
def lease_checkpoint(easel: Local, made: TimedJob) -> Iterator[LoadedCheckpoint]:
    """The checkpoint that made an image, loaded as in the image's record."""
    state = easel._state
    with state.cache.lease(state.catalogue.find("sd1"), read_plan(made)) as checkpoint:
        yield checkpoint


def create_loop(checkpoint: LoadedCheckpoint, images: int = 1) -> Loop:
    """The bare loop of a checkpoint's UNet."""
    return Loop(
        unet=checkpoint.unet,
        sampler=SAMPLER,
        schedule=SCHEDULE,
        config=checkpoint.scheduler_config,
        side=SCALE.latents,
        images=images,
    )


def read_plan(made: TimedJob) -> ExecutionPlan:
    """The execution plan in the record of the job's last image."""
    record = metadata.read(made.paths[-1])
    assert record is not None
    return record.resolved.plan


def read_request(made: TimedJob) -> ResolvedGeneration:
    """The request in the record of the job's last image."""
    record = metadata.read(made.paths[-1])
    assert record is not None and isinstance(record.resolved.request, ResolvedGeneration)
    return record.resolved.request


def read_pixels(made: TimedJob) -> np.ndarray:
    """The levels of the job's last image."""
    with Image.open(made.paths[-1]) as saved:
        return np.asarray(saved.convert("RGB"), np.float64)


def create_settings(folder: Path, fresh: Path | None = None) -> Settings:
    """Settings with the checkpoints in ``folder``; data and outputs go there too, or into ``fresh``."""
    own = fresh or folder
    return replace(Settings(), models=folder / "models", data=own / "data", outputs=own / "outputs")


def measure_restart(folder: Path) -> None:
    """Time a new process that reuses compiled code from an earlier part."""
    with Local(create_settings(folder)) as easel:
        time_easel(easel, folder, "Easel, compiled, after a restart", True)


@dataclass(frozen=True)
class Part:
    """``seconds``: about how long it takes at least. ``families``: the checkpoints that it needs."""

    run: Callable[[Path], None]
    seconds: int
    families: tuple[str, ...] = ("sd1",)


PARTS = {
    "speed": Part(measure_speed, 60), "little": Part(run_in_2_gib, 20), "faults": Part(exhaust_memory, 30),
    "numbers": Part(check_precision, 20),
    "xl": Part(run_xl_in_4_gib, 50, ("xl",)), "batches": Part(measure_batches, 25), "again": Part(measure_restart, 40),
}  # fmt: skip
"""The most important come first."""


def run_part(name: str, folder: Path) -> None:
    """Run a part in this process."""
    for family in PARTS[name].families:
        write_once(folder, family)
    PARTS[name].run(folder)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_part(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
