"""Easel compared with plain diffusers (``pipe(prompt)`` in its default precision), on a full-size checkpoint with random weights.

Plain diffusers, Easel as it is set up and Easel without OpenVINO run one after the other, twice: first with empty folders, then
as at the second start. Each has a process of its own, so that starts and peaks of memory are its own. Beside them stands the
arithmetic limit: a step's floating-point operations over the processor's.

Only a few steps are measured, because they are slow on a CPU; the time for twenty is extrapolated, and the output says so.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.full_size import load_config, write_checkpoint
from benchmarks.memory import measure_peak_while
from benchmarks.perceptual import psnr
from engine.jobs.worker_environment import keep_freed_memory, set_thread_waiting
from engine.plan.memory import format_bytes
from engine.settings import HOUSE, Settings

if TYPE_CHECKING:
    from engine import Local, TextToImage

SAMPLER, SCHEDULE, WHOLE = "DPM++ 2M", "Karras", 20
PROMPT = "a cat on the beach"
NAME = "full-size"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A checkpoint: its ``family``, the side of its images in pixels, and how many ``steps`` are measured."""

    family: str = "sd1"
    side: int = 512
    steps: int = 4
    tiny: bool = False


CASES = {"sd1": Case(), "xl": Case(family="xl", side=1024, steps=2), "tiny": Case(side=64, tiny=True)}

PLAIN, AS_SET_UP, WITHOUT = "diffusers", "Easel", "Easel without OpenVINO"


@dataclass(frozen=True, kw_only=True)
class Run:
    """Seconds of one way in one process: ``first`` from the start of the process to the first image of one step, ``total`` of an
    image of the case's steps, ``step`` of a guided step. ``peak`` in bytes; ``compiler`` is what computed the steps."""

    first: float
    step: float
    total: float
    peak: int = 0
    compiler: str = ""

    def extrapolate(self, steps: int) -> float:
        """Seconds of an image of :data:`WHOLE` steps, of which ``steps`` were measured."""
        return self.total + (WHOLE - steps) * self.step


def main() -> None:
    """Compare with Stable Diffusion 1.5."""
    compare("sd1")


def main_long() -> None:
    """Compare with XL too."""
    compare("sd1")
    compare("xl")


def compare(name: str) -> None:
    """Print what each way takes, the limit, and the error of Easel's image relative to float32."""
    case = CASES[name]
    print(f"{case.family}, {case.side} x {case.side}, {case.steps} steps, {SAMPLER} {SCHEDULE}, random weights")
    seconds = print_limit(case)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # In float32: of weights stored in half precision, diffusers' defaults load components in two dtypes that do not combine.
        write_checkpoint(folder / "models" / NAME, "float32", case.family, tiny=case.tiny)
        rounds = [{way: run_apart(name, way, folder) for way in WAYS} for _ in range(2)]
        report(case, rounds, seconds)
        images = {way: np.asarray(Image.open(folder / f"{way}.png").convert("RGB"), np.float64) for way in WAYS}
    for way in (AS_SET_UP, WITHOUT):
        error, decibels = relative_error(images[way], images[PLAIN]), psnr(images[way], images[PLAIN])
        print(f"{way}: relative error of the picture against float32 {error:.2%}, PSNR {decibels:.1f} dB")


def report(case: Case, rounds: list[dict[str, Run]], limit: float | None) -> None:
    """Print a line for each way, with ratios to plain diffusers in the same round, and the step beside its limit in seconds."""
    for way in WAYS:
        runs, plain = [each[way] for each in rounds], [each[PLAIN] for each in rounds]
        step, total = (statistics.median(getattr(run, what) for run in runs) for what in ("step", "total"))
        whole = statistics.median(run.extrapolate(case.steps) for run in runs)
        faster, longer = (
            statistics.median(getattr(p, what) / getattr(run, what) for p, run in zip(plain, runs, strict=True))
            for what in ("step", "total")
        )
        share = "" if limit is None else f", {step / limit:.2f} times the limit"
        print(f"{way} ({runs[-1].compiler or 'torch'})")
        print(f"    a guided step {step:.2f} s, {faster:.2f} times as fast as diffusers{share}")
        print(f"    {case.steps} steps {total:.1f} s, {longer:.2f} times as fast; {WHOLE} steps, extrapolated, {whole:.0f} s")
        print(f"    first picture of one step: {runs[0].first:.1f} s after a fresh start, {runs[1].first:.1f} s at the second")
        print(f"    peak memory of the process {format_bytes(max(run.peak for run in runs))}", flush=True)


def print_limit(case: Case) -> float | None:
    """Print the rates of this processor; returns the least seconds of a guided step at its clock under load, None if that is
    unknown."""
    import torch

    from benchmarks.kernels import print_rates
    from engine.plan import count_threads
    from engine.plan.hardware.probe import probe

    hardware = probe("cpu")
    torch.set_num_threads(count_threads(hardware))
    rates, rate = print_rates(hardware)
    operations = count_operations(case)
    best = max((rate for name, rate in rates.items() if "matrix product" in name), default=0.0)
    limit = None if rate is None else operations / rate / 1e9
    said = "" if limit is None else f", at least {limit:.2f} s in float32"
    print(f"a guided step: {operations / 1e12:.2f} TFLOP{said}; the best matrix product reached {best:.0f} GFLOP/s", flush=True)
    return limit


def count_operations(case: Case) -> int:
    """Floating-point operations of the UNet in a guided step."""
    import torch
    from diffusers import UNet2DConditionModel
    from torch.utils.flop_counter import FlopCounterMode

    config, side = load_config(f"unet_{case.family}"), case.side // 8
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        unet: Any = UNet2DConditionModel.from_config(config)
        words = torch.empty(2, 77, config["cross_attention_dim"])
        added = {"text_embeds": torch.empty(2, 1280), "time_ids": torch.empty(2, 6)} if case.family == "xl" else None
        unet(torch.empty(2, 4, side, side), torch.ones(1), words, added_cond_kwargs=added)
    return counter.get_total_flops()


def run_apart(case: str, way: str, folder: Path) -> Run:
    """One way in a process of its own, whose data lie in ``folder`` until the next start."""
    code = f"from benchmarks.diffusers import run; run({case!r}, {way!r}, {str(folder)!r}, {time.time()!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def run(case: str, way: str, folder: str, began: float) -> None:
    """In a process that began at ``began``: run one way, and print a :class:`Run` as JSON."""
    found: list[Run] = []
    peak = measure_peak_while(lambda: found.append(WAYS[way](CASES[case], Path(folder), began)))
    print(json.dumps(dataclasses.asdict(dataclasses.replace(found[0], peak=peak))))


def run_diffusers(case: Case, folder: Path, began: float) -> Run:
    """Plain diffusers, as its guide says."""
    import torch
    from diffusers import DiffusionPipeline

    from engine.generate.samplers import create

    pipeline: Any = DiffusionPipeline.from_pretrained(folder / "models" / NAME, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = create(SAMPLER, pipeline.scheduler.config, SCHEDULE)

    def draw(steps: int) -> list[float]:
        seen: list[float] = []

        def note(_pipeline: Any, _step: int, _timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
            seen.append(time.perf_counter())
            return given

        generator = torch.Generator("cpu").manual_seed(0)
        made = pipeline(
            PROMPT, num_inference_steps=steps, height=case.side, width=case.side, generator=generator, guidance_scale=7.5,
            callback_on_step_end=note,
        )  # fmt: skip
        made.images[0].save(folder / f"{PLAIN}.png")
        return seen

    draw(1)
    first = time.time() - began
    start = time.perf_counter()
    seen = draw(case.steps)
    return Run(first=first, step=compute_step(seen), total=time.perf_counter() - start)


def run_easel(case: Case, folder: Path, began: float, way: str = AS_SET_UP) -> Run:
    """Easel with its defaults for this machine, in the environment of its worker."""
    set_thread_waiting()
    keep_freed_memory()
    from engine import Local, TextToImage
    from engine.generate.speed.compile import find_store

    settings = dataclasses.replace(
        Settings(), models=folder / "models", data=folder / way / "data", outputs=folder / way / "outputs"
    )
    request = TextToImage(
        prompt=PROMPT, checkpoint=NAME, width=case.side, height=case.side, steps=case.steps, scheduler=SAMPLER,
        schedule=SCHEDULE, guidance_scale=7.5, seed=0,
    )  # fmt: skip
    with Local(settings) as easel:
        draw_by_easel(easel, dataclasses.replace(request, steps=1), folder, way)
        first = time.time() - began
        for _ in range(3):  # the graphs of denoiser and decoder come one after the other; then they are compiled
            find_store(settings.data).wait()
            draw_by_easel(easel, dataclasses.replace(request, steps=1), folder, way)
        start = time.perf_counter()
        seen, compiler = draw_by_easel(easel, request, folder, way)
        return Run(first=first, step=compute_step(seen), total=time.perf_counter() - start, compiler=compiler)


def draw_by_easel(easel: Local, request: TextToImage, folder: Path, way: str) -> tuple[list[float], str]:
    """When each step was done, and what computed them. The image is copied to ``folder``."""
    from engine.events import ImageSaved, Step
    from engine.records import metadata
    from engine.stopping import Stop

    seen: list[float] = []
    compiler = ""
    for event in easel.run(f"bench{time.time_ns()}", request, Stop()):
        if isinstance(event, Step):
            seen.append(time.perf_counter())
        if isinstance(event, ImageSaved):
            record = metadata.read(event.result.path)
            compiler = record.resolved.plan.compiler if record is not None else ""
            (folder / f"{way}.png").write_bytes(event.result.path.read_bytes())
    return seen, compiler


def run_without_openvino(case: Case, folder: Path, began: float) -> Run:
    """Easel where OpenVINO is not installed."""
    sys.modules["openvino"] = None  # type: ignore[assignment]
    return run_easel(case, folder, began, WITHOUT)


WAYS: dict[str, Callable[[Case, Path, float], Run]] = {
    PLAIN: run_diffusers, AS_SET_UP: run_easel, WITHOUT: run_without_openvino,
}  # fmt: skip


def compute_step(seen: list[float]) -> float:
    """Seconds per step: the median time between two steps."""
    return statistics.median(after - before for before, after in itertools.pairwise(seen))


def relative_error(image: np.ndarray, exact: np.ndarray) -> float:
    """The RMS error of ``image`` relative to the standard deviation of ``exact`` about its mean colour."""
    varies = exact - exact.mean(axis=(0, 1))
    return float(np.linalg.norm(image - exact) / np.linalg.norm(varies))


if __name__ == "__main__":
    main()
