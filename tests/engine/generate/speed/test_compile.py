"""torch's compiler answers as the networks do, and what cannot be compiled runs as it is."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import itertools
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock

from engine.checkpoints.adapters.additions import NOTHING
from engine.checkpoints.library.catalogue import Catalogue
from engine.errors import CancelledError
from engine.events import Loading, Notice, Step
from engine.generate import estimate
from engine.generate.estimate import choose_plan
from engine.generate.prepare import prepare
from engine.generate.speed import compile
from engine.generate.speed.compile import COMPILERS, Inductor, can_compile, is_new, run_compiled
from engine.generate.speed.network_kinds import KINDS, describe_denoiser
from engine.generate.tasks.text_to_image import TextToImageTask
from engine.local import Local
from engine.preferences import Preferences, write
from engine.requests import SPEEDS, ExecutionPlan, ResolvedGeneration, TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import tiny, tiny_sd3
from tests.engine.generate.conftest import Engine
from tests.engine.plan.conftest import MACHINES

ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=32, height=32, steps=3, seed=1, precision="float32")
_jobs = itertools.count()


def job() -> str:
    return f"compiled{next(_jobs)}"


def resolve(asked: TextToImage, local: Local) -> ResolvedGeneration:
    return prepare(asked, TextToImageTask(asked).choose_size, local._state).resolved.request


class Small(torch.nn.Module):
    """As much of a network as torch's compiler needs to be tried."""

    def __init__(self) -> None:
        super().__init__()
        self.block = BasicTransformerBlock(dim=8, num_attention_heads=2, attention_head_dim=4, cross_attention_dim=8)

    def forward(self, given: torch.Tensor, prompt: torch.Tensor, return_dict: bool = True) -> Any:
        return (self.block(given, encoder_hidden_states=prompt),)


def create_inputs(network: Any, rows: int, tokens: int, width: int) -> dict[str, Any]:
    """Arguments of a denoiser for a batch of ``rows``, prompts of ``tokens`` and latents ``width`` x 8."""
    kind = KINDS[describe_denoiser(network, True).kind]
    inputs: dict[str, Any] = {"return_dict": False}
    for name, traced in kind.create_inputs(dict(network.config), 8).items():
        argument, _, part = name.partition("/")
        shape = (rows, tokens, traced.shape[2]) if traced.dim() == 3 else (rows if len(traced) > 1 else 1, *traced.shape[1:])
        tensor = torch.ones(*shape[:3], width) if traced.dim() == 4 else torch.ones(shape)
        inputs |= {argument: {**inputs.get(argument, {}), part: tensor} if part else tensor}
    return inputs


def count_graphs() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler needs a C++ compiler")
@pytest.mark.timeout(600)
def test_torchs_compiler_answers_as_the_network_does_in_any_size_also_with_a_lora() -> None:
    network = Small().eval()
    run, given = Inductor(network), (torch.randn(2, 16, 8), torch.randn(2, 7, 8))
    with torch.inference_mode():
        first = run(Stop(), *given, return_dict=False)[0]
        assert torch.allclose(first, network(*given)[0], atol=1e-5)
        for rows, pixels, tokens in ((2, 24, 7), (2, 16, 14), (4, 16, 7)):
            others = torch.randn(rows, pixels, 8), torch.randn(rows, tokens, 8)
            assert torch.allclose(run(Stop(), *others, return_dict=False)[0], network(*others)[0], atol=1e-5)
        network.get_parameter("block.attn1.to_v.weight").data.copy_(torch.randn(8, 8))  # as adapters.merge does
        merged = run(Stop(), *given, return_dict=False)[0]
        assert torch.allclose(merged, network(*given)[0], atol=1e-5) and not torch.allclose(merged, first, atol=1e-2)


DENOISERS = {"unet": lambda: tiny.loaded("sd1").denoiser, "transformer": lambda: tiny_sd3.transformer("sd35_medium")}


@pytest.mark.parametrize("kind", DENOISERS)
def test_what_is_compiled_once_serves_every_size_and_prompt_and_one_row_takes_one_more(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile.torch, "compile", partial(torch.compile, backend="eager"))
    torch.compiler.reset()
    network = DENOISERS[kind]()
    run = Inductor(network)
    counted: list[int] = []
    for rows, tokens, width in ((2, 77, 8), (2, 77, 16), (2, 154, 8), (4, 77, 8), (1, 77, 8), (1, 154, 16)):
        with torch.inference_mode():
            run(Stop(), **create_inputs(network, rows, tokens, width))
        counted.append(count_graphs())
    assert counted[0] > 0 and len({*counted[:4]}) == 1 and counted[4] > counted[3] and counted[5] == counted[4], counted


def test_where_torch_cannot_compile_the_network_runs_as_it_is_and_it_is_said_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("Cannot find a working triton installation.")

    exact, _ = engine.run(ASKED, job())
    monkeypatch.setattr(estimate, "WORTH_COMPILING", 0)
    monkeypatch.setattr(compile.torch, "compile", partial(torch.compile, backend=broken))
    hardware = dataclasses.replace(engine.local._state.hardware, extras=frozenset())
    monkeypatch.setattr(engine.local, "_state", dataclasses.replace(engine.local._state, hardware=hardware))
    write(engine.settings.data, Preferences(compile=True))
    try:
        (one, first), (other, second) = (engine.run(ASKED, job()) for _ in range(2))
    finally:
        write(engine.settings.data, Preferences())
    (said,) = (event.text for event in first if isinstance(event, Notice))
    assert "could not be compiled" in said and "working triton" in said
    assert not any(isinstance(event, Notice) for event in second)
    assert exact.tobytes() == one.tobytes() == other.tobytes()


def test_what_is_kept_of_a_network_that_is_compiled_does_not_keep_it(tmp_path: Path, engine: Engine) -> None:
    loaded = tiny.loaded("sd1")
    with run_compiled(loaded, ExecutionPlan(compiler="inductor"), Stop(), tmp_path) as compiled:
        assert compiled.start_image(resolve(ASKED, engine.local), NOTHING)
        gone = weakref.ref(loaded.unet)
    del loaded, compiled
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("changes", [
    {"compiler": ""}, {"storage": {"unet": "float16"}}, {"measures": ("unet_offload",)}, {"compiler": "unheard of"},
])  # fmt: skip
def test_what_cannot_be_compiled_runs_as_it_is(changes: dict[str, Any], tmp_path: Path) -> None:
    plan = dataclasses.replace(ExecutionPlan(compiler="inductor"), **changes)
    assert not can_compile(plan)
    loaded = tiny.loaded("sd1")
    with run_compiled(loaded, plan, Stop(), tmp_path):
        assert "forward" not in loaded.unet.__dict__


@contextmanager
def inductor(local: Local, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside the block even tiny checkpoints are compiled, by a compiler that leaves them as they are."""
    monkeypatch.setattr(estimate, "WORTH_COMPILING", 0)
    monkeypatch.setattr(compile.torch, "compile", partial(torch.compile, backend="eager"))
    hardware = dataclasses.replace(local._state.hardware, extras=frozenset())
    monkeypatch.setattr(local, "_state", dataclasses.replace(local._state, hardware=hardware))
    write(settings.data, Preferences(compile=True))
    try:
        yield
    finally:
        write(settings.data, Preferences())


@pytest.fixture
def with_inductor(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with inductor(engine.local, engine.settings, monkeypatch):
        yield engine


def fail_to_compile(*_: Any) -> None:
    raise RuntimeError("Cannot find a working triton installation.")


@pytest.mark.parametrize("backend", ["eager", fail_to_compile])
@pytest.mark.parametrize("storage", [{}, {"unet": "float16"}])
def test_stop_is_heard_in_runs_whose_plan_names_a_compiler(
    storage: dict[str, str], backend: Any, with_inductor: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the network could not be compiled, or is of those that cannot be."""

    def plan_for(*given: Any) -> ExecutionPlan:
        return dataclasses.replace(estimate.plan_for(*given), storage=storage)

    monkeypatch.setattr(compile.torch, "compile", partial(torch.compile, backend=backend))
    monkeypatch.setattr(importlib.import_module("engine.generate.prepare"), "plan_for", plan_for)
    stop, steps = Stop(), 0
    with pytest.raises(CancelledError):
        for event in with_inductor.local.run(job(), dataclasses.replace(ASKED, checkpoint="sd2_base", steps=40), stop):
            if isinstance(event, Step):
                steps += 1
                stop.set()
    assert steps == 1


def test_stop_is_heard_in_what_is_compiled_with_a_lora(studio: tuple[Local, Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dataclasses.replace(ASKED, prompt="a cat <lora:one:0.8>", steps=40)
    stop, steps, said = Stop(), 0, ""
    with inductor(*studio, monkeypatch), pytest.raises(CancelledError):
        for event in studio[0].run(job(), asked, stop):
            said += event.text if isinstance(event, Loading) else ""
            if isinstance(event, Step):
                steps += 1
                stop.set()
    assert steps == 1 and "Compiling sd1" in said


def test_what_waits_for_the_compiler_is_announced_once(with_inductor: Engine) -> None:
    long = "a cat " * 80
    changes: list[dict[str, Any]] = [{}, {}, {"width": 64}, {"prompt": long}, {"guidance_scale": 1.0}, {"guidance_scale": 1.0}]
    announced = []
    for change in changes:
        _, said = with_inductor.run(dataclasses.replace(ASKED, checkpoint="xl", **change), job())
        announced.append(any("Compiling xl" in event.text for event in said if isinstance(event, Loading)))
    assert announced == [True, False, False, False, True, False]


def test_openvino_compiles_for_each_shape() -> None:
    network = Small()
    shapes = [(2, 77, 8, 8), (2, 77, 8, 8), (2, 154, 8, 8), (1, 77, 8, 8), (2, 77, 8, 16)]
    assert [is_new(network, shape, "openvino") for shape in shapes] == [True, False, True, True, True]


def test_small_checkpoints_are_not_compiled_and_large_ones_are(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = dataclasses.replace(engine.local._state.hardware, extras=frozenset())
    state = dataclasses.replace(engine.local._state, hardware=plain)

    def compiler(asked: TextToImage) -> str:
        return prepare(asked, TextToImageTask(asked).choose_size, state).resolved.plan.compiler

    write(engine.settings.data, Preferences(compile=True))
    try:
        assert compiler(ASKED) == ""
        monkeypatch.setattr(estimate, "WORTH_COMPILING", 0)
        assert compiler(ASKED) == "inductor"
        assert compiler(dataclasses.replace(ASKED, speed="draft")) == "inductor"
    finally:
        write(engine.settings.data, Preferences())
    assert compiler(ASKED) == ""


def test_the_starter_is_compiled_where_the_plan_names_a_library(engine: Engine) -> None:
    hardware = dataclasses.replace(MACHINES["x86 CPU without bfloat16"], extras=frozenset({"openvino"}))
    here = dataclasses.replace(engine.local._state.circumstances, hardware=hardware)
    starter = Catalogue(Settings()).find("starter")
    compilers = {speed: choose_plan(starter, TextToImage(speed=speed), here).compiler for speed in SPEEDS}
    assert compilers == dict.fromkeys(SPEEDS, "openvino")
    assert choose_plan(engine.local._state.catalogue.find("sd1"), TextToImage(), here).compiler == "", "as small, not the starter"


def test_the_compilers_are_those_that_plans_name() -> None:
    assert set(COMPILERS) == {"inductor", "openvino"}
