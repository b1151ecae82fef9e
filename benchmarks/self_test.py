"""The self-test: how far its images in each precision are from float32's on the CPU, and its result on this computer."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

from engine import Local, Settings
from engine.idle.reference_images import DISTANCES, draw_images, find_limit, measure_distance, reference_plan
from engine.idle.self_test import SelfTest
from engine.plan.remedies import describe_result
from engine.requests import DTYPES, ExecutionPlan
from engine.stopping import Stop

COMPONENTS = ("unet", "vae", "text_encoder")


def main() -> None:
    """Print the table and the result."""
    with tempfile.TemporaryDirectory() as folder, Local(dataclasses.replace(Settings(), data=Path(folder))) as easel:
        test = SelfTest(easel._state)
        print_table(test)
        began = time.perf_counter()
        result = test.run(Stop())
        print(f"{easel.describe().device}, {dict(result.versions)}, {time.perf_counter() - began:.1f} s")
        if result.distance is not None:
            print(f"farther than allowed: {result.distance:.2f} times (up to 1 is right)")
        print(describe_result(result))


def print_table(test: SelfTest) -> None:
    """Print how far the images in each precision are from those in float32, measured now and as kept, and what is allowed."""
    starter = test.find_starter()
    if starter is None:
        return
    plans = {dtype: ExecutionPlan(dtypes=dict.fromkeys(COMPONENTS, dtype)) for dtype in DTYPES}
    data = test.state.settings.data
    reference = draw_images(starter, reference_plan(plans["float32"]), data, Stop())
    print(f"{'precision':12}{'pixels':>10}{'colour':>10}{'kept':>20}{'allowed':>20}{'seconds':>10}")
    for dtype, plan in plans.items():
        began = time.perf_counter()
        measured = measure_distance(draw_images(starter, plan, data, Stop()), reference)
        seconds, kept, limit = time.perf_counter() - began, DISTANCES[dtype], find_limit(plan)
        print(
            f"{dtype:12}{measured.pixels:10.5f}{measured.colour:10.5f}{kept.pixels:10.5f}{kept.colour:10.5f}"
            f"{limit.pixels:10.5f}{limit.colour:10.5f}{seconds:10.1f}",
            flush=True,
        )
