"""The prediction, the ladder, and the size that would fit."""

from __future__ import annotations

import dataclasses

import pytest

from engine.checkpoints.families import BY_NAME, bundled_config
from engine.errors import DoesNotFit
from engine.plan.ladder import RUNGS, Rung, find_lighter_plan, fit_plan, largest_size, lower_peak, take_next_measure
from engine.plan.memory import BYTES, COMPILED_FIXED, Budget, Layout, Work, find_budget, find_cache_budget, format_bytes, predict
from engine.plan.precision import choose
from engine.plan.reference_checkpoints import REFERENCE_CHECKPOINTS, ReferenceCheckpoint
from engine.requests import ExecutionPlan, Resolved, TextToImage, resolved_from_json, resolved_to_json
from tests.engine.plan.conftest import MACHINES, card, cpu, mac

GIB = 2**30
FAMILIES = {known.family.name: known for known in REFERENCE_CHECKPOINTS}
V1, XL = FAMILIES["sd1"], FAMILIES["xl"]
PHASES = ("load", "encode", "denoise", "decode")


def on_card(known: ReferenceCheckpoint, free: float) -> tuple[ExecutionPlan, ExecutionPlan, Budget]:
    """A family's plan on a card with ``free`` GiB, the plan on the CPU beside it, and what is free."""
    machine = card(capability=(8, 6), free_bytes=int(free * GIB))
    return choose(machine, known.family), choose(cpu(), known.family), find_budget(machine)


def test_weights_are_counted_in_the_planned_precision() -> None:
    half, full = (choose(MACHINES["NVIDIA Turing RTX"], V1.family, overrule=d) for d in ("float16", "float32"))
    assert predict(V1.work, half).weights["unet"] * 2 == predict(V1.work, full).weights["unet"] == 860_000_000 * 4


def test_on_the_cpu_everything_is_ram() -> None:
    predicted = predict(V1.work, choose(cpu(), V1.family))
    assert predicted.peak_device == 0
    assert predicted.peak_ram == max(predicted.phases.values()) == predicted.phases[predicted.worst]


def test_more_pixels_and_more_pictures_need_more() -> None:
    plan = choose(cpu(), V1.family)
    sizes = [predict(dataclasses.replace(V1.work, width=w, height=w), plan).peak_ram for w in (256, 512, 768, 1024)]
    batches = [predict(dataclasses.replace(V1.work, batch=b), plan).peak_ram for b in (1, 2, 4)]
    assert sizes == sorted(set(sizes)) and batches == sorted(set(batches))


def test_without_guidance_denoising_needs_less() -> None:
    plan = choose(cpu(), V1.family)
    alone = dataclasses.replace(V1.work, guided=False)
    assert predict(alone, plan).phases["denoise"] < predict(V1.work, plan).phases["denoise"]


@pytest.mark.parametrize("known", REFERENCE_CHECKPOINTS, ids=lambda known: known.title)
def test_no_rung_needs_more_than_the_one_above(known: ReferenceCheckpoint) -> None:
    plan, on_cpu, _ = on_card(known, 8)
    taken = []
    needs = [predict(known.work, plan).peak_device]
    while (down := take_next_measure(plan, "denoise", on_cpu)) is not None:
        plan, step = down
        taken.append(step.name)
        needs.append(predict(known.work, plan).peak_device)
    assert needs == sorted(needs, reverse=True)
    on_the_card = taken[: taken.index("cpu")]
    assert on_the_card == sorted(on_the_card, key=[r.name for r in RUNGS if "denoise" in r.eases].index)
    assert plan.device == "cpu" and needs[-1] == 0


def test_stable_diffusion_1_fits_in_two_gigabytes_and_xl_in_four() -> None:
    for known, free in ((V1, 2.0), (XL, 4.0)):
        plan, on_cpu, room = on_card(known, free * 0.9)
        fitting, predicted = fit_plan(known.work, plan, room, on_cpu)
        assert fitting.device.startswith("cuda")
        assert predicted.peak_device <= free * GIB


def test_plenty_of_memory_takes_no_measure() -> None:
    plan, on_cpu, room = on_card(XL, 24)
    assert fit_plan(XL.work, plan, room, on_cpu)[0] == plan


def test_a_card_that_is_far_too_small_leaves_the_work_to_the_cpu() -> None:
    plan, on_cpu, room = on_card(V1, 0.2)
    fitting, predicted = fit_plan(V1.work, plan, room, on_cpu)
    assert fitting.device == "cpu" and fitting.measures == ("cpu",)
    assert predicted.peak_device == 0
    assert any("the CPU takes over" in reason for reason in fitting.reasons)


def test_a_16xx_with_four_gigabytes_keeps_weights_in_16_bits_and_computes_in_32() -> None:
    machine = dataclasses.replace(MACHINES["NVIDIA GTX 16xx and related"])
    machine = machine.on(dataclasses.replace(machine.device, free_bytes=int(3.5 * GIB)))
    plan, _ = fit_plan(V1.work, choose(machine, V1.family), find_budget(machine))
    assert plan.dtype("unet") == "float32"
    assert plan.storage == {"unet": "float16"}


def test_two_gigabytes_of_ram_are_refused_with_what_to_do() -> None:
    machine = cpu(ram=2 * GIB)
    with pytest.raises(DoesNotFit, match="Close other programs, or choose a smaller checkpoint"):
        fit_plan(XL.work, choose(machine, XL.family), find_budget(machine))


@pytest.mark.parametrize(("width", "height"), [(8192, 8192), (16384, 4096), (2048, 8192)])
def test_a_size_that_does_not_fit_is_refused_with_one_that_does(width: int, height: int) -> None:
    plan, room = choose(cpu(), V1.family), Budget(ram=6 * GIB)
    asked = dataclasses.replace(V1.work, width=width, height=height)
    with pytest.raises(DoesNotFit) as refused:
        fit_plan(asked, plan, room)
    size = largest_size(asked, plan, room)
    assert size is not None and f"{size[0]} x {size[1]} would fit" in str(refused.value)
    fit_plan(dataclasses.replace(V1.work, width=size[0], height=size[1]), plan, room)
    larger = dataclasses.replace(V1.work, width=size[0] * 2, height=size[1] * 2)
    assert not room.holds(find_lighter_plan(plan, larger, room)[1])
    assert abs(size[0] / size[1] - width / height) < 0.1 * width / height


def test_a_batch_that_does_not_fit_is_split_and_not_refused() -> None:
    plan = choose(cpu(), V1.family)
    alone = predict(V1.work, plan).peak_ram
    fitting, _ = fit_plan(dataclasses.replace(V1.work, batch=8), plan, Budget(ram=alone + GIB))
    assert fitting.vae_tile or fitting.batch_limit == 1


def test_where_nobody_tells_the_memory_nothing_is_refused() -> None:
    silent = dataclasses.replace(cpu(), ram_available=None)
    silent = silent.on(dataclasses.replace(silent.device, free_bytes=None))
    huge = dataclasses.replace(V1.work, width=16384, height=16384)
    assert find_budget(silent) == Budget()
    assert fit_plan(huge, choose(silent, V1.family), find_budget(silent))[0].measures == ()
    assert find_cache_budget(silent) > GIB


def test_checkpoints_that_are_held_already_count_as_room() -> None:
    for machine in (card(free_bytes=GIB), cpu(ram=GIB), mac(15, 0)):
        bare, reused = find_budget(machine), find_budget(machine, held=2 * GIB)
        which = "ram" if machine.device.shares_ram else "device"
        assert getattr(reused, which) >= getattr(bare, which) + 1.9 * GIB


def test_apple_counts_shared_memory_once() -> None:
    room = find_budget(mac(15, 0))
    assert room.together and room.device and room.ram
    predicted = predict(XL.work, choose(mac(15, 0), XL.family))
    assert predicted.peak_ram == 0
    assert Budget(device=room.device, ram=predicted.peak_device, together=True).holds(predicted)
    assert not Budget(device=room.device, ram=predicted.peak_device - 1, together=True).holds(predicted)


@pytest.mark.parametrize(("gigabytes", "family"), [(16, "xl"), (8, "sd2_base"), (8, "sd2_v")])
def test_apple_draws_without_moving_weights_where_they_fit(gigabytes: int, family: str) -> None:
    known, whole = FAMILIES[family], mac(15, 0)
    # macOS lets its GPU use two thirds of the memory; the system and a browser leave 5 of 8, or 12 of 16 GB.
    free = int((gigabytes * 0.75 - (gigabytes == 8)) * GIB)
    device = dataclasses.replace(
        whole.device, total_bytes=gigabytes * GIB * 2 // 3, free_bytes=min(free, gigabytes * GIB * 2 // 3)
    )
    machine = dataclasses.replace(whole.on(device), ram_total=gigabytes * GIB, ram_available=free)
    plan, _ = fit_plan(known.work, choose(machine, known.family), find_budget(machine), choose(machine.on_cpu, known.family))
    assert plan.device == "mps" and not {"text_encoders_out", "unet_offload", "unet_byte_storage"} & {*plan.measures}


@pytest.mark.parametrize("name", MACHINES)
def test_no_device_computes_more_scores_of_attention_at_once_than_it_can_count(name: str) -> None:
    plan = choose(MACHINES[name], V1.family)
    assert 0 < plan.attention_scores < 2**31
    least = predict(V1.work, dataclasses.replace(plan, attention_scores=2**31 - 1)).phases["denoise"]
    most = predict(dataclasses.replace(V1.work, width=4096, height=4096), plan).phases["denoise"]
    if plan.attention_scores < 2**31 - 1:
        assert 0 < predict(V1.work, plan).phases["denoise"] - least <= 2 * plan.attention_scores * 4
    assert most < 80 * GIB, "a score for each pair of 262,144 places would take 1,100 GB a head"


def test_on_cards_the_decoder_is_planned_with_the_workspaces_of_its_convolutions() -> None:
    plan = ExecutionPlan(device="cuda:0", dtypes=dict.fromkeys(V1.work.parameters, "float16"))
    small, large = (predict(dataclasses.replace(V1.work, width=side, height=side), plan).phases["decode"] for side in (512, 1024))
    numbers = (large - small) / 2 / (1024**2 - 512**2)
    assert 2150 < numbers < 2250


@pytest.mark.parametrize("phase", PHASES)
def test_memory_that_ran_out_leads_down_to_the_cpu_and_no_further(phase: str) -> None:
    plan, on_cpu, _ = on_card(V1, 8)
    steps = []
    while (down := take_next_measure(plan, phase, on_cpu)) is not None:
        plan, rung = down
        assert phase in rung.eases and f"Memory is short: {rung.words}." in plan.reasons
        steps.append(rung.name)
    not_here = (
        "not_compiled", "repaint_tiles", "unet_half_storage", "experts_in_turn", "text_encoder_3_byte_storage",
        "text_encoder_3_out",
    )  # fmt: skip
    to_the_cpu = [rung.name for rung in RUNGS if phase in rung.eases and rung.name not in not_here]
    assert steps[: len(to_the_cpu)] == to_the_cpu
    assert plan.device == "cpu" and steps.count("cpu") == 1


def test_the_cpu_has_no_card_to_step_down_from() -> None:
    plan = choose(cpu(), V1.family)
    steps = []
    while (down := take_next_measure(plan, "decode")) is not None:
        plan, rung = down
        steps.append(rung.name)
    assert "cpu" not in steps and "unet_offload" not in steps and plan.device == "cpu"


def test_a_plan_with_measures_survives_the_record() -> None:
    plan, on_cpu, room = on_card(XL, 3.5)
    plan, _ = fit_plan(XL.work, plan, room, on_cpu)
    resolved = Resolved(request=TextToImage(prompt="a cat", seed=0), plan=plan, threads=1)
    assert plan.measures
    assert resolved_from_json(resolved_to_json(resolved)).plan == plan


def test_the_layout_is_read_from_the_configs() -> None:
    kinds = ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]
    unet = {"block_out_channels": [320, 640, 1280], "down_block_types": kinds, "layers_per_block": 2}
    vae = {"block_out_channels": [128, 256, 512, 512]}
    assert Layout.of(unet, vae) == XL.work.layout
    tiny_decoder = {"decoder_block_out_channels": [64, 64, 64]}
    assert Layout.of(unet, tiny_decoder).scale == 4


@pytest.mark.parametrize("known", REFERENCE_CHECKPOINTS, ids=lambda known: known.title)
def test_the_known_families_are_those_of_the_checkpoints(known: ReferenceCheckpoint) -> None:
    row = BY_NAME[known.family.name]
    assert (row.label, dict(row.dtypes), row.attention_upcast_in_fp16, row.native_size) == (
        known.title,
        known.family.dtypes,
        known.family.attention_upcast_in_fp16,
        known.work.width,
    )
    assert Layout.of(bundled_config(row, row.denoiser), bundled_config(row, "vae")) == known.work.layout


def test_work_in_other_shapes_of_networks() -> None:
    layout = Layout(scale=4, unet_channels=(64, 128), unet_attention=(False, False), decoder_channels=(32, 64, 64))
    work = Work(parameters={"unet": 8_000_000, "vae": 2_000_000}, width=64, height=64, layout=layout)
    assert 40e6 < predict(work, ExecutionPlan()).peak_ram < 200e6


@pytest.mark.parametrize(("count", "words"), [(0, "1 MB"), (5 * 2**20, "5 MB"), (3 * GIB // 2, "1.5 GB")])
def test_bytes_as_people_read_them(count: int, words: str) -> None:
    assert format_bytes(count) == words


@pytest.mark.parametrize("known", REFERENCE_CHECKPOINTS, ids=lambda known: known.title)
def test_the_plan_after_a_kill_needs_less_until_nothing_is_left(known: ReferenceCheckpoint) -> None:
    plan, on_cpu, _ = on_card(known, 24)
    needs = [predict(known.work, plan)]
    while (lower := lower_peak(plan, known.work, on_cpu)) != plan:
        plan = lower
        needs.append(predict(known.work, plan))
    totals = [need.peak_ram + need.peak_device for need in needs]
    assert totals == sorted(set(totals), reverse=True) and len(totals) > 1


def test_what_compiled_networks_take_is_counted_and_given_up_first() -> None:
    with_openvino = dataclasses.replace(MACHINES["x86 CPU with AVX-512 BF16"], extras=frozenset({"openvino"}))
    plan = choose(with_openvino, V1.family)
    plain = dataclasses.replace(plan, compiler="")
    assert plan.compiler == "openvino"
    copied, once = predict(V1.work, plan).peak_ram, predict(V1.work, plain).peak_ram
    weights = sum(BYTES[plan.dtype(c)] * V1.work.parameters[c] for c in ("unet", "vae"))
    assert copied - once == pytest.approx(2 * COMPILED_FIXED + 0.05 * weights, rel=0.01), "torch's copy leaves the memory"
    small = dataclasses.replace(V1.work, parameters={"unet": 10_000_000})
    assert predict(small, plan).peak_ram - predict(small, plain).peak_ram == 8 * 10_000_000, "two copies stay"
    fitting, _ = fit_plan(V1.work, plan, Budget(ram=(copied + once) // 2))
    assert fitting.measures == ("not_compiled",) and fitting.compiler == ""


def test_a_refiner_takes_turns_with_the_denoiser_before_anything_is_lost() -> None:
    plan, on_cpu, room = on_card(XL, 8)
    work = dataclasses.replace(XL.work, parameters={**XL.work.parameters, "refiner unet": 2_300_000_000})
    lighter, predicted = find_lighter_plan(plan, work, room, on_cpu)
    assert "experts_in_turn" in lighter.measures and lighter.device != "cpu" and room.holds(predicted)
    assert "experts_in_turn" not in find_lighter_plan(plan, XL.work, room, on_cpu)[0].measures
    assert not any(rung.refined for rung in list_measures(plan, "load", on_cpu))


def test_text_encoders_that_leave_the_card_are_there_one_checkpoints_at_a_time() -> None:
    """XL with its refiner on a card of 4 GB, others holding 600 MB: neither refused nor left to the CPU."""
    plan, on_cpu, room = on_card(XL, 3.4)
    refiner = {"refiner text_encoder_2": 694_659_840, "refiner unet": 2_260_000_000, "refiner vae": 83_653_863}
    work = dataclasses.replace(XL.work, parameters={**XL.work.parameters, **refiner})
    lighter, predicted = find_lighter_plan(plan, work, room, on_cpu)
    assert "text_encoders_out" in lighter.measures and lighter.device != "cpu" and room.holds(predicted)
    alone, refined = (predict(each, lighter) for each in (XL.work, work))
    assert refined.phases["encode"] - alone.phases["encode"] == refined.weights["refiner vae"]


@pytest.mark.parametrize(("measures", "stays"), [(("text_encoders_out",), True), (("text_encoders_out", "unet_offload"), False)])
def test_control_networks_make_way_for_no_text_encoder(measures: tuple[str, ...], stays: bool) -> None:
    plan = dataclasses.replace(on_card(XL, 8)[0], measures=measures)
    work = dataclasses.replace(XL.work, parameters={**XL.work.parameters, "control 0": 1_251_000_000})
    alone, controlled = (predict(each, plan) for each in (XL.work, work))
    assert controlled.phases["encode"] - alone.phases["encode"] == (controlled.weights["control 0"] if stays else 0)
    assert controlled.phases["denoise"] > alone.phases["denoise"], "what it adds to the skip connections"


def list_measures(plan: ExecutionPlan, phase: str, on_cpu: ExecutionPlan) -> list[Rung]:
    taken = list[Rung]()
    while (down := take_next_measure(plan, phase, on_cpu)) is not None:
        plan, rung = down
        taken.append(rung)
    return taken
