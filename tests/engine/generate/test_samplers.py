from __future__ import annotations

import subprocess
import sys

import diffusers
import pytest
import torch

from engine.compat.schedulers import takes_generator
from engine.errors import RequestError
from engine.generate.samplers import (
    DEFAULT,
    FLOW_MATCHING,
    SCHEDULERS,
    SCHEDULES,
    SamplingMethod,
    bound_steps,
    create,
    find,
    find_pair,
    fit_pair,
    names_schedule,
    skip_steps,
)
from engine.requests import TextToImage, from_json, to_json
from engine.settings import HOUSE
from tests.engine.generate.sampler_walk import BEGIN_ROUGHLY, CHECKPOINT, list_schedules, run


@pytest.mark.parametrize(("name", "schedule"), [(name, schedule) for name in SCHEDULERS for schedule in list_schedules(name)])
def test_every_sampler_finds_the_image_that_a_perfect_network_points_to(name: str, schedule: str) -> None:
    for steps, strength in ((1, 1.0), (3, 0.5), (20, 1.0)):
        steps, _ = bound_steps(SamplingMethod(name, schedule), steps, CHECKPOINT)
        if strength < 1 and name in BEGIN_ROUGHLY:
            continue
        error = (run(create(name, CHECKPOINT, schedule), steps, strength) - 0.5).abs().mean()
        assert error < (0.15 if name == "PLMS" else 0.1), (steps, strength)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_sampler_reads_the_prediction_of_its_checkpoint(name: str) -> None:
    scheduler = create(name, {**CHECKPOINT, "prediction_type": "v_prediction"})
    assert (run(scheduler, 30, prediction="v_prediction") - 0.5).abs().mean() < 0.1


STRENGTHS = (0.01, 0.35, 1.0)


@pytest.mark.long
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_sampler_runs_from_1_to_150_steps_at_every_strength(name: str) -> None:
    for schedule in list_schedules(name):
        scheduler = create(name, CHECKPOINT, schedule)
        for asked in range(1, 151):
            steps, _ = bound_steps(SamplingMethod(name, schedule), asked, CHECKPOINT)
            scheduler.set_timesteps(steps)
            for strength in STRENGTHS:
                _, timesteps = skip_steps(scheduler, strength)
                # Those between two steps are not rounded, and so may be a fraction above the one before.
                assert len(timesteps) and (timesteps.float().diff() < 1).all(), (schedule, asked, strength)
        # Which timesteps there are is tried for every number; what a step does, where there are few and where there are many.
        for asked in (1, 2, 3, 4, 7, 51, 150):
            steps, _ = bound_steps(SamplingMethod(name, schedule), asked, CHECKPOINT)
            for strength in STRENGTHS:
                assert run(scheduler, steps, strength).isfinite().all(), (schedule, asked, strength)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("strength, share", [(0.0, 0.0), (0.01, 0.05), (0.5, 0.5), (1.0, 1.0)])
def test_strength_is_the_share_of_steps_that_run(name: str, strength: float, share: float) -> None:
    scheduler = create(name, CHECKPOINT)
    scheduler.set_timesteps(20)
    begin, timesteps = skip_steps(scheduler, strength)
    assert len(timesteps) + begin == len(scheduler.timesteps)
    assert len(timesteps) == pytest.approx(share * len(scheduler.timesteps), abs=1.5)
    assert bool(len(timesteps)) == (strength > 0)


def test_names_are_found_whatever_their_case() -> None:
    assert find(" euler A") == "Euler a"
    with pytest.raises(RequestError, match="no sampler called"):
        find("Euler z")


@pytest.mark.parametrize(
    ("sampler", "schedule", "expected"),
    [
        ("DPM++ 2M", None, SamplingMethod("DPM++ 2M", "Karras")),
        ("dpm++ 2m karras", None, SamplingMethod("DPM++ 2M", "Karras")),
        ("DPM++ 2M Karras", "beta", SamplingMethod("DPM++ 2M", "Beta")),
        ("DPM++ 2M SDE Exponential", "Automatic", SamplingMethod("DPM++ 2M SDE", "Exponential")),
        ("Euler a", "", SamplingMethod("Euler a", DEFAULT)),
        ("DDIM", None, SamplingMethod("DDIM", DEFAULT)),
        ("Euler DDIM", None, SamplingMethod("Euler", "DDIM")),
    ],
)
def test_a_pair_is_found_by_its_names(sampler: str, schedule: str | None, expected: SamplingMethod) -> None:
    assert find_pair(sampler, schedule) == expected


@pytest.mark.parametrize(
    ("sampler", "schedule", "chosen"),
    [("DPM++ 2M", None, False), ("DPM++ 2M", "Automatic", False), ("DPM++ 2M Karras", None, True), ("DPM++ 2M", "beta", True)],
)
def test_a_schedule_that_nobody_chose_is_told_from_one_that_was(sampler: str, schedule: str | None, chosen: bool) -> None:
    assert names_schedule(sampler, schedule) is chosen


def test_an_unknown_schedule_is_said() -> None:
    with pytest.raises(RequestError, match="no noise schedule called"):
        find_pair("Euler", "loglinear")


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_schedule_that_a_sampler_cannot_follow_is_replaced_and_said(name: str) -> None:
    for schedule in SCHEDULES:
        pair, notice = fit_pair(SamplingMethod(name, schedule), CHECKPOINT)
        assert pair == SamplingMethod(name, schedule) if not notice else pair == SamplingMethod(name, DEFAULT)
        create(pair.sampler, CHECKPOINT, pair.schedule).set_timesteps(4)


@pytest.mark.parametrize(
    ("sampler", "schedule", "fits"),
    [
        ("Euler", "Karras", True),
        ("DDIM", "Karras", False),
        ("DDIM", "Exponential", False),
        ("DDIM", "SGM Uniform", True),
        ("LCM", "Karras", False),
        ("LCM", "SGM Uniform", False),
    ],
)
def test_a_sampler_follows_the_schedules_that_it_has_options_for(sampler: str, schedule: str, fits: bool) -> None:
    pair, notice = fit_pair(SamplingMethod(sampler, schedule), CHECKPOINT)
    assert (pair.schedule, bool(notice)) == ((schedule, False) if fits else (DEFAULT, True))


@pytest.mark.parametrize("name", ["LCM", "TCD"])
def test_distilled_samplers_run_the_steps_that_they_were_distilled_with(name: str) -> None:
    assert bound_steps(SamplingMethod(name, DEFAULT), 50, CHECKPOINT) == (50, "")
    steps, notice = bound_steps(SamplingMethod(name, DEFAULT), 51, CHECKPOINT)
    assert steps == 50 and "instead of 51" in notice
    assert bound_steps(SamplingMethod(name, DEFAULT), 51, {**CHECKPOINT, "original_inference_steps": 100}) == (51, "")


def test_the_checkpoints_own_noise_levels_stay() -> None:
    scheduler = create("DPM++ 2M", {**CHECKPOINT, "prediction_type": "v_prediction", "use_karras_sigmas": False}, "Karras")
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.beta_end == 0.012
    assert scheduler.config.use_karras_sigmas is True


@pytest.mark.parametrize("name", [name for name, row in SCHEDULERS.items() if row.follows == "levels"])
def test_the_levels_of_a_schedule_are_those_of_other_programs_whatever_the_sampler(name: str) -> None:
    for schedule, first, last, timestep in (
        ("Karras", 14.6146, 0.0292, None),
        ("Exponential", 14.6146, 0.0292, None),
        ("Normal", 14.6146, 0.0292, 499.5),
        ("SGM Uniform", 14.6146, None, None),
        ("Align Your Steps", 14.615, 0.152, None),
    ):
        scheduler = create(name, CHECKPOINT, schedule)
        scheduler.set_timesteps(3)
        levels = [float(level) for level in scheduler.sigmas]  # type: ignore[attr-defined]
        assert levels[0] == pytest.approx(first, abs=1e-3) and levels[-1] == 0
        assert last is None or any(level == pytest.approx(last, abs=1e-3) for level in levels)
        assert timestep is None or any(abs(float(each) - timestep) < 1 for each in scheduler.timesteps)


OLD: dict[str, tuple[type, dict[str, bool | str]]] = {
    "DPM++ 2M Karras": (diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "DPM++ 2M": (diffusers.DPMSolverMultistepScheduler, {}),
    "DPM++ 2M SDE Karras": (
        diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    ),
    "DPM++ 2M SDE": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ SDE Karras": (diffusers.DPMSolverSinglestepScheduler, {"use_karras_sigmas": True}),
    "DPM++ SDE": (diffusers.DPMSolverSinglestepScheduler, {}),
    "DPM2 Karras": (diffusers.KDPM2DiscreteScheduler, {"use_karras_sigmas": True}),
    "DPM2 a Karras": (diffusers.KDPM2AncestralDiscreteScheduler, {"use_karras_sigmas": True}),
    "Euler": (diffusers.EulerDiscreteScheduler, {}),
}  # fmt: skip
"""What the first version of Easel ran under a name."""


@pytest.mark.parametrize("name", OLD)
def test_a_record_without_a_schedule_makes_the_same_image(name: str) -> None:
    written = {key: value for key, value in to_json(TextToImage(scheduler=name, steps=7)).items() if key != "schedule"}
    request = from_json(written)
    assert request.scheduler is not None and request.schedule is not None
    kind, options = OLD[name]
    now = create(request.scheduler, CHECKPOINT, request.schedule)
    before = kind.from_config({**CHECKPOINT, **options})
    for steps in (4, 7, 25):
        assert torch.equal(run(now, steps), run(before, steps))
        assert torch.equal(now.timesteps, before.timesteps)


@pytest.mark.parametrize("name", ["DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"])
def test_an_image_has_the_noise_of_its_seed_alone_and_in_a_batch(name: str) -> None:
    def trace(seeds: tuple[int, ...]) -> torch.Tensor:
        scheduler = create(name, CHECKPOINT, "Karras", seeds=seeds)
        scheduler.set_timesteps(6)
        latents = torch.ones(len(seeds), 4, 4, 4)
        for timestep in scheduler.timesteps[:5]:
            given = scheduler.scale_model_input(latents, timestep) * 0.1
            latents = scheduler.step(given, timestep, latents, return_dict=False)[0]
        return latents

    batch = trace((7, 8, 7))
    assert torch.equal(batch[0], batch[2]) and not torch.equal(batch[0], batch[1])
    assert torch.equal(batch[1:2], trace((8,))), "a batch changes nothing"
    assert torch.equal(trace((2**64 - 1,)), trace((2**64 - 1,)))


def test_the_noise_of_a_seed_is_one_path_however_many_steps_look_at_it() -> None:
    def total(steps: int) -> torch.Tensor:
        scheduler = create("DPM++ 2M SDE", CHECKPOINT, "Exponential", seeds=(5,))
        scheduler.set_timesteps(steps)
        latents = torch.zeros(1, 4, 8, 8)
        for timestep in scheduler.timesteps[:-1]:
            latents = scheduler.step(torch.zeros_like(latents), timestep, latents, return_dict=False)[0]
        return latents.flatten()

    few, many = total(10), total(40)
    assert torch.corrcoef(torch.stack([few, many]))[0, 1] > 0.8


FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}


@pytest.mark.parametrize("strength", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 4, 30])
@pytest.mark.parametrize("name", FLOW_MATCHING)
def test_flow_matching_finds_the_picture_that_a_perfect_network_points_to(name: str, steps: int, strength: float) -> None:
    scheduler = create(name, FLOW)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    noise, clean = torch.randn(1, 16, 8, 8, generator=generator), torch.full((1, 16, 8, 8), 0.5)
    begin, timesteps = skip_steps(scheduler, strength)
    latents = noise if begin == 0 else scheduler.add_noise(clean, noise, timesteps[:1])
    options = {"generator": generator} if takes_generator(scheduler) else {}
    for timestep in timesteps:
        velocity = (scheduler.scale_model_input(latents, timestep) - clean) / (timestep / 1000)
        latents = scheduler.step(velocity, timestep, latents, **options, return_dict=False)[0]
    assert (latents - clean).abs().mean() < 0.1


def test_the_shift_of_a_flow_matching_checkpoint_stays() -> None:
    for name in FLOW_MATCHING:
        scheduler = create(name, FLOW)
        assert {scheduler.config.get("shift"), scheduler.config.get("flow_shift")} & {3.0} == {3.0}


def test_other_samplers_are_refused_for_flow_matching() -> None:
    with pytest.raises(RequestError, match="Choose one of"):
        create("DDIM", FLOW)


WITHOUT_EXTRAS = """
import importlib.metadata as metadata, pathlib, re, sys, tempfile, tomllib
from importlib.machinery import PathFinder
from packaging.requirements import Requirement

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
wanted, names = [Requirement(line) for line in project["dependencies"]], set()
while wanted:
    requirement = wanted.pop()
    name = re.sub(r"[-_.]+", "-", requirement.name).lower()
    if name in names or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
        continue
    names.add(name)
    try:
        wanted += [Requirement(line) for line in metadata.requires(name) or ()]
    except metadata.PackageNotFoundError:
        pass
owners = metadata.packages_distributions()

class WithoutExtras(PathFinder):
    @classmethod
    def find_spec(cls, module, path=None, target=None):
        found = owners.get(module.partition(".")[0], ())
        extra = found and not any(re.sub(r"[-_.]+", "-", each).lower() in names for each in found)
        return None if extra else PathFinder.find_spec(module, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutExtras
from tests.engine.generate import sampler_walk

sampler_walk.walk()
with tempfile.TemporaryDirectory() as folder:
    assert all(len(tokens) > 1 for tokens in sampler_walk.read_with_t5(pathlib.Path(folder)))
try:
    import hypothesis
except ModuleNotFoundError:
    print("every pair runs")
"""


@pytest.mark.long
def test_every_sampler_and_schedule_and_t5s_tokenizer_run_in_an_environment_without_extras() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS], cwd=HOUSE, capture_output=True, text=True, check=False)
    assert ran.stdout.strip().endswith("every pair runs"), ran.stderr[-2000:]
