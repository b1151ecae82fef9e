"""The self-test, whole: the CPU's bfloat16 is the device, and real faults in the networks are seen, changed, said and kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.autoencoders.vae import Decoder
from torch.nn import functional

from engine.errors import CancelledError
from engine.events import Notice
from engine.generate.denoise import Denoiser
from engine.generate.speed.openvino_compiler import OpenVino
from engine.idle.duties import SELF_TEST_SECONDS
from engine.idle.reference_images import (
    DISTANCES,
    IMAGES,
    create_reference,
    draw_images,
    find_limit,
    measure_distance,
    reference_plan,
)
from engine.idle.self_test import NO_STARTER, SelfTest, find_remedies
from engine.local import Local
from engine.plan.remedies import AGREES, DIFFERS, FILE, REMEDIES, SelfTestResult, describe_result, read_result, write_result
from engine.records import metadata
from engine.requests import ExecutionPlan, TextToImage
from engine.settings import HOUSE, Settings
from engine.stopping import Stop
from tests.engine.idle.conftest import StartEngine

SMALL = (
    create_reference("a cat", "", width=32, height=32, steps=2, seed=1),
    create_reference("a dog", "blur", width=32, height=48, steps=2, seed=2),
)
ASKED = TextToImage(prompt="a cat", checkpoint="starter", width=32, height=32, steps=2, seed=1)


def create_test(local: Local) -> SelfTest:
    return SelfTest(local._state, SMALL)


def read(local: Local) -> SelfTestResult:
    return read_result(local._state.settings.data, local._state.hardware.device)


# Faults, each in a place where a card's kernels can be wrong. Those of another precision, layout or kernel stay right.


def spoil_attention_processor(patch: pytest.MonkeyPatch) -> None:
    right = AttnProcessor2_0.__call__
    patch.setattr(AttnProcessor2_0, "__call__", lambda *args, **named: right(*args, **named) * -4)


def spoil_fused_attention(patch: pytest.MonkeyPatch) -> None:
    right = functional.scaled_dot_product_attention

    def wrong(*args: Any, **named: Any) -> torch.Tensor:
        return right(*args, **named) * (-8 if torch.backends.cuda.flash_sdp_enabled() else 1)

    patch.setattr(functional, "scaled_dot_product_attention", wrong)


def tint(patch: pytest.MonkeyPatch, is_wrong: Callable[[Decoder], bool]) -> None:
    right = Decoder.forward

    def forward(self: Decoder, *args: Any, **named: Any) -> torch.Tensor:
        pixels = right(self, *args, **named)
        if is_wrong(self):
            pixels[:, 0] += 0.2
        return pixels

    patch.setattr(Decoder, "forward", forward)


def tint_bfloat16(patch: pytest.MonkeyPatch) -> None:
    tint(patch, lambda decoder: next(decoder.parameters()).dtype == torch.bfloat16)


def tint_compiled(patch: pytest.MonkeyPatch) -> None:
    right = OpenVino.__call__

    def call(self: OpenVino, *args: Any, **named: Any) -> Any:
        output = right(self, *args, **named)
        if isinstance(output, torch.Tensor) and output.shape[1] == 3:
            output[:, 0] += 0.2
        return output

    patch.setattr(OpenVino, "__call__", call)


def tint_channels_last(patch: pytest.MonkeyPatch) -> None:
    tint(patch, lambda decoder: not decoder.get_parameter("conv_in.weight").is_contiguous())


def tint_and_spoil_attention(patch: pytest.MonkeyPatch) -> None:
    tint_bfloat16(patch)
    spoil_attention_processor(patch)


FAULTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], tuple[str, ...]]] = {
    "attention processor": (spoil_attention_processor, ("sliced_attention",)),
    "fused attention": (spoil_fused_attention, ("math_attention",)),
    "tinted decoder": (tint_bfloat16, ("vae_float32",)),
    "tinted layout": (tint_channels_last, ("contiguous",)),
    "two at once": (tint_and_spoil_attention, ("sliced_attention", "vae_float32")),
}
IN_EVERY_RUN = ("two at once", "tinted layout")


@pytest.mark.parametrize("fault", [pytest.param(name, marks=() if name in IN_EVERY_RUN else pytest.mark.long) for name in FAULTS])
def test_a_fault_is_seen_changed_by_the_table_said_and_kept(
    fault: str, start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, remedies = FAULTS[fault]
    spoil(monkeypatch)
    local = start_engine()
    found = create_test(local).run(Stop())
    assert (found.state, found.remedies) == (AGREES, remedies) and found.distance is not None and found.distance > 1
    assert found.versions["torch"] == version("torch") and "unet bfloat16" in found.versions["precision"]
    assert "wrong pictures" in describe_result(found)

    # Kept: another process reads it, plans with it, loads with it, and the image's record says so.
    local.close()
    again = start_engine()
    assert read(again) == found and not create_test(again).is_due
    words = [remedy.words for remedy in REMEDIES if remedy.name in remedies]
    record = metadata.read(again.make(ASKED)[0].path)
    assert record is not None
    plan = record.resolved.plan
    assert all(any(each in reason for reason in plan.reasons) for each in words)
    right = dataclasses.replace(SelfTest(again._state, SMALL), images=SMALL)._choose_plan(again._state.catalogue.find("starter"))
    changed = {name for name, value in vars(plan).items() if value != vars(right)[name]} - {"reasons"}
    assert changed == {
        "attention processor": {"attention_backend"}, "fused attention": {"attention_backend"}, "tinted decoder": {"dtypes"},
        "tinted layout": {"channels_last"}, "two at once": {"attention_backend", "dtypes"},
    }[fault]  # fmt: skip


def test_a_device_that_draws_right_is_left_as_it_is(start_engine: StartEngine) -> None:
    local = start_engine()
    before = local.describe_run(ASKED).plan
    found = create_test(local).run(Stop())
    assert (found.state, found.remedies, found.trouble) == (AGREES, (), "") and (found.distance or 0) <= 1
    assert local.describe_run(ASKED).plan == before
    assert "same pictures as the processor" in describe_result(found)


def test_a_fault_that_no_remedy_mends_is_said_and_nothing_is_changed(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Decoder] = []

    def is_wrong(decoder: Decoder) -> bool:
        drawn.append(decoder)
        return len(drawn) > len(SMALL)  # all but the reference, which comes first

    tint(monkeypatch, is_wrong)
    local = start_engine()
    found = create_test(local).run(Stop())
    assert (found.state, found.remedies) == (DIFFERS, ()) and not create_test(local).is_due
    assert "Update its driver" in describe_result(found)


def test_numbers_that_are_none_are_the_farthest_distance(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Decoder.forward

    def forward(self: Decoder, *args: Any, **named: Any) -> torch.Tensor:
        pixels = right(self, *args, **named)
        return pixels * float("nan") if pixels.dtype == torch.bfloat16 else pixels

    monkeypatch.setattr(Decoder, "forward", forward)
    found = create_test(start_engine()).run(Stop())
    assert found.remedies == ("vae_float32",) and found.distance is None


def test_a_remedy_that_the_driver_refuses_does_not_help(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    tint_bfloat16(monkeypatch)
    right = functional.scaled_dot_product_attention

    def refuse(*args: Any, **named: Any) -> torch.Tensor:
        if torch.backends.cuda.flash_sdp_enabled():
            return right(*args, **named)
        raise RuntimeError("no kernel of that name")

    monkeypatch.setattr(functional, "scaled_dot_product_attention", refuse)
    # The reference's text encoder computes attention by that kernel too: without it there is nothing to compare with.
    monkeypatch.setattr(
        "engine.idle.self_test.reference_plan", lambda plan: dataclasses.replace(reference_plan(plan), attention_backend="")
    )
    assert create_test(start_engine()).run(Stop()).remedies == ("vae_float32",)


def test_when_memory_runs_out_nothing_is_concluded_and_the_test_stays_due(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any, **_named: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    local = start_engine()
    monkeypatch.setattr(Denoiser, "predict", full)
    with pytest.raises(torch.OutOfMemoryError):
        create_test(local).run(Stop())
    assert read(local) == SelfTestResult() and create_test(local).is_due


def test_a_stop_ends_it_in_the_middle_and_nothing_has_changed(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    tint_bfloat16(monkeypatch)
    local = start_engine()
    before = create_test(local).run(Stop())
    stop, right = Stop(), Denoiser.predict
    unfinished: list[int] = []

    def predict(self: Denoiser, *args: Any, **named: Any) -> torch.Tensor:
        unfinished.append(read(local).unfinished)
        stop.set()
        return right(self, *args, **named)

    monkeypatch.setattr(Denoiser, "predict", predict)
    with pytest.raises(CancelledError):
        create_test(local).run(stop)
    assert unfinished == [1], "a process that ends here leaves that behind, and the second step was not begun"
    assert read(local) == before


def test_what_ended_a_process_is_tried_once_more_and_its_remedies_count_meanwhile(start_engine: StartEngine) -> None:
    local = start_engine()
    found = create_test(local).run(Stop())
    for unfinished, is_due in ((1, True), (2, False)):
        killed = SelfTestResult(versions=found.versions, remedies=("vae_float32",), unfinished=unfinished)
        write_result(local._state.settings.data, local._state.hardware.device, killed)
        assert create_test(local).is_due == is_due
        assert local.describe_run(ASKED).plan.dtype("vae") == "float32"


@pytest.mark.parametrize("name", ["torch", "diffusers", "driver", "precision"])
def test_a_change_of_version_or_precision_makes_it_due_again(name: str, start_engine: StartEngine) -> None:
    local = start_engine()
    found = create_test(local).run(Stop())
    older = dataclasses.replace(found, versions={**found.versions, name: "older"})
    write_result(local._state.settings.data, local._state.hardware.device, older)
    assert create_test(local).is_due


def test_an_unreadable_store_makes_it_due_again(start_engine: StartEngine) -> None:
    local = start_engine()
    create_test(local).run(Stop())
    path = local._state.settings.data / FILE
    path.write_bytes(path.read_bytes()[:-9])
    assert create_test(local).is_due
    assert create_test(local).run(Stop()).state == AGREES and not create_test(local).is_due


def test_without_the_starter_it_says_so_and_waits_for_it(start_engine: StartEngine, tmp_path: Path) -> None:
    local = start_engine(models=tmp_path / "empty")
    assert create_test(local).run(Stop()).trouble == NO_STARTER == describe_result(read(local))
    assert create_test(local).is_due


def test_it_runs_when_idle_after_the_first_image_and_not_again(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("engine.local.SelfTest", create_small)
    local = start_engine()
    local.rest(10**6, Stop())
    assert read(local) == SelfTestResult(), "never before the first image"
    local.make(ASKED)
    local.rest(SELF_TEST_SECONDS - 1, Stop())
    assert read(local) == SelfTestResult()
    local.rest(SELF_TEST_SECONDS, Stop())
    assert read(local).state == AGREES
    capsys.readouterr()
    local.make(ASKED)
    local.rest(SELF_TEST_SECONDS, Stop())
    assert "SelfTestResult" not in capsys.readouterr().out


def create_small(state: Any) -> SelfTest:
    return SelfTest(state, SMALL)


def test_an_image_of_one_colour_is_said_and_makes_it_due_again(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = start_engine()
    create_test(local).run(Stop())
    right = Decoder.forward
    monkeypatch.setattr(Decoder, "forward", lambda self, *args, **named: right(self, *args, **named) * 0 + 0.5)
    said = [event.text for event in local.run("grey", ASKED, Stop()) if isinstance(event, Notice)]
    assert any("one colour all over" in text for text in said)
    assert create_test(local).is_due
    monkeypatch.undo()
    assert create_test(local).run(Stop()).remedies == () and not create_test(local).is_due


def test_two_devices_of_a_kind_are_tested_each_for_itself(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    local = start_engine()
    one = dataclasses.replace(local._state.hardware.device, kind="cuda", name="GeForce RTX 3060")
    folder = local._state.settings.data
    tint_bfloat16(monkeypatch)
    write_result(folder, one, create_test(local).run(Stop()))
    other = dataclasses.replace(one, index=1)
    assert read_result(folder, one).remedies and read_result(folder, other) == SelfTestResult()


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed; launch.sh --extra openvino installs it.")
@pytest.mark.parametrize("fault", ["", "tinted decoder"])
def test_openvino_is_a_device_too(fault: str, start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    local = start_engine("float32")
    hardware = local._state.hardware
    cpu = dataclasses.replace(hardware.cpu, arch="x86_64")
    compiled = dataclasses.replace(hardware, cpu=cpu, extras=frozenset({"openvino"}))
    local._state = dataclasses.replace(local._state, hardware=compiled)
    if fault:
        tint_compiled(monkeypatch)
    found = create_test(local).run(Stop())
    assert found.state == AGREES and found.remedies == (("not_compiled",) if fault else ())
    assert found.versions["openvino"] == version("openvino")


def test_the_fewest_remedies_are_taken() -> None:
    tried: list[tuple[str, ...]] = []

    def agrees(*needed: str) -> Callable[[tuple[str, ...]], bool]:
        def agree(taken: tuple[str, ...]) -> bool:
            tried.append(taken)
            return set(needed) <= set(taken)

        return agree

    possible = ("a", "b", "c", "d")
    assert find_remedies(possible, agrees("a")) == ("a",) and tried == [("a",)]
    assert find_remedies(possible, agrees("d")) == ("d",)
    assert find_remedies(possible, agrees("a", "c")) == ("a", "c")
    assert find_remedies(possible, agrees("b", "c", "d")) == ("b", "c", "d")
    assert find_remedies(possible, agrees("e")) is None
    assert find_remedies((), agrees("a")) is None


def test_the_documentation_has_the_distances() -> None:
    text = (HOUSE / "docs" / "plan.md").read_text("utf-8")
    for dtype, kept in DISTANCES.items():
        limit = find_limit(ExecutionPlan(dtypes={"unet": dtype}))
        numbers = (kept.pixels, kept.colour, limit.pixels, limit.colour)
        assert f"| {dtype} | {' | '.join(f'{number:.4f}' for number in numbers)} |" in text


@pytest.mark.long
@pytest.mark.parametrize("dtype", DISTANCES)
def test_the_starters_distances_are_those_of_the_table(dtype: str) -> None:
    with Local(dataclasses.replace(Settings(), device="cpu")) as local:
        starter = SelfTest(local._state).find_starter()
        assert starter is not None
        plan = ExecutionPlan(dtypes=dict.fromkeys(("unet", "vae", "text_encoder"), dtype))
        drawn, reference = (
            draw_images(starter, each, local._state.settings.data, Stop()) for each in (plan, reference_plan(plan))
        )
        found = measure_distance(drawn, reference)
    kept = DISTANCES[dtype]
    assert found.pixels == pytest.approx(kept.pixels, rel=0.5, abs=0.0002)
    assert found.colour == pytest.approx(kept.colour, rel=0.5, abs=0.0002)


@pytest.mark.long
@pytest.mark.parametrize("fault", ["attention processor", "tinted decoder"])
def test_the_starter_sees_a_fault(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil, remedies = FAULTS[fault]
    spoil(monkeypatch)
    with Local(dataclasses.replace(Settings(), device="cpu", precision="bfloat16")) as local:
        # The faults are in torch's kernels, which alone compute, whatever is installed.
        hardware = dataclasses.replace(local._state.hardware, extras=frozenset())
        found = SelfTest(dataclasses.replace(local._state, hardware=hardware), IMAGES).run(Stop())
        assert found.remedies == remedies, found
