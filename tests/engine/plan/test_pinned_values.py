"""The plan's tables and constants by what they decide: whoever changes one sees here what else it changes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from engine.plan.hardware.facts import Hardware
from engine.plan.ladder import RUNGS, largest_size, take_next_measure
from engine.plan.learned import LearnedFacts
from engine.plan.memory import BYTES, Budget, Layout, find_budget, find_cache_budget, predict
from engine.plan.precision import Tolerance, choose
from engine.plan.precision_table import find_row
from engine.plan.reference_checkpoints import REFERENCE_CHECKPOINTS
from engine.plan.speed import SPEEDS, speed_for
from engine.plan.timing import TimingKey, estimate_seconds, learn_timing
from engine.plan.upscale_estimate import UpscaleWork, estimate_upscale
from engine.requests import ExecutionPlan
from tests.engine.plan.conftest import MACHINES, card, cpu, mac

GIB, MIB = 2**30, 2**20
V1 = next(known for known in REFERENCE_CHECKPOINTS if known.family.name == "sd1")
ANYTHING = Tolerance(name="anything", dtypes={"unet": ("float16", "bfloat16", "float32")})

WORKS_TOO = {
    "NVIDIA GTX 16xx and related": "float16", "NVIDIA Turing RTX": "bfloat16", "NVIDIA Volta": "bfloat16",
    "AMD CDNA 1": "bfloat16", "AMD RDNA 1": "float16", "other AMD": "float16", "x86 CPU without bfloat16": "bfloat16",
    "ARM CPU without bfloat16": "bfloat16",
}  # fmt: skip
"""Kind of hardware -> a precision that is not chosen there and works when the user insists."""

IF_FASTER = {
    "NVIDIA Pascal": ("float16", "float32"), "x86 CPU with AVX-512 BF16": ("bfloat16", "bfloat16"),
    "ARM CPU with bfloat16": ("bfloat16", "float32"),
}  # fmt: skip
"""Kind of hardware -> the precision that must be measured to be faster, and what is used before it was measured."""


@pytest.mark.parametrize("name", MACHINES)
def test_what_a_user_may_insist_on(name: str) -> None:
    chosen = {*find_row(MACHINES[name]).dtypes, *find_row(MACHINES[name]).decoder, "float32"}
    works = {d for d in ("float16", "bfloat16") if choose(MACHINES[name], ANYTHING, overrule=d).dtypes["unet"] == d}
    assert works == (chosen | {WORKS_TOO.get(name, "float32")}) - {"float32"}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(("gain", "is_used"), [(1.09, False), (1.11, True)])
def test_what_has_to_be_faster_by_a_tenth(name: str, gain: float, is_used: bool) -> None:
    row = find_row(MACHINES[name])
    if name not in IF_FASTER:
        assert choose(MACHINES[name], ANYTHING, measured={row.dtypes[0]: gain}) == choose(MACHINES[name], ANYTHING)
        return
    dtype, before = IF_FASTER[name]
    assert choose(MACHINES[name], ANYTHING).dtypes["unet"] == before
    assert choose(MACHINES[name], ANYTHING, measured={dtype: gain}).dtypes["unet"] == (dtype if is_used else "float32")


def test_attention_is_upcast_on_one_system_and_compiled_on_three_processors() -> None:
    assert {name for name, machine in MACHINES.items() if choose(machine, ANYTHING).attention_upcast} == {
        "Apple, macOS 14.5 or later"
    }
    equipped = {name: dataclasses.replace(machine, extras=frozenset({"openvino"})) for name, machine in MACHINES.items()}
    assert {name for name, machine in equipped.items() if choose(machine, ANYTHING).compiler == "openvino"} == {
        "x86 CPU with AMX", "x86 CPU with AVX-512 BF16", "x86 CPU without bfloat16",
    }  # fmt: skip


EDGES: tuple[tuple[Hardware, str], ...] = (
    (card(capability=(10, 0)), "NVIDIA Blackwell"), (card(capability=(8, 0)), "NVIDIA Ampere"),
    (card(capability=(7, 2)), "NVIDIA Volta"),
    (card(capability=(6, 2)), "NVIDIA Pascal"), (card(capability=(5, 0)), "NVIDIA before Pascal"),
    *((card(capability=(7, 5), name=name), "NVIDIA GTX 16xx and related")
      for name in ("NVIDIA T400", "NVIDIA T500", "Quadro T600", "NVIDIA T1000", "Quadro T1200", "Quadro T2000", "NVIDIA T550",
                   "NVIDIA GeForce MX450", "NVIDIA GeForce MX550", "NVIDIA CMP 30HX", "NVIDIA GeForce GTX 1660 Ti")),
    (card(capability=(7, 5), name="Tesla T4"), "NVIDIA Turing RTX"),
    *((card("rocm", architecture=chip), name)
      for chip, name in (("gfx90a", "AMD CDNA 2 and later"), ("gfx950", "AMD CDNA 2 and later"), ("gfx900", "AMD Vega"),
                         ("gfx1032", "AMD RDNA 2"), ("gfx1012", "AMD RDNA 1"), ("gfx1151", "AMD RDNA 3"))),
    (mac(14, 5), "Apple, macOS 14.5 or later"), (mac(14, 4, 1), "Apple, macOS 14.0 to 14.4"),
    (mac(14, 0), "Apple, macOS 14.0 to 14.4"),
)  # fmt: skip
"""Hardware at the edge of a row of the table."""


@pytest.mark.parametrize(("machine", "name"), EDGES, ids=lambda value: value if isinstance(value, str) else "")
def test_where_a_row_begins_and_ends(machine: Hardware, name: str) -> None:
    assert find_row(machine).name == name


STARTED = ExecutionPlan(device="cuda:0", dtypes={"unet": "float32"}, compiler="openvino")
T5_MEASURES = {"text_encoder_3_byte_storage", "text_encoder_3_out"}


@pytest.mark.parametrize(
    ("phase", "measures"),
    [
        ("load", "not_compiled text_encoders_out unet_half_storage unet_byte_storage unet_offload cpu"),
        ("encode", "not_compiled text_encoders_out cpu"),
        ("denoise", "not_compiled text_encoders_out batch_split unet_half_storage unet_byte_storage unet_offload cpu"),
        ("decode", " ".join(rung.name for rung in RUNGS if not (rung.refined or rung.enlarged) and rung.name not in T5_MEASURES)),
    ],
)
def test_the_order_of_measures_in_each_phase(phase: str, measures: str) -> None:
    plan, taken = STARTED, list[str]()
    while "cpu" not in taken and (down := take_next_measure(plan, phase, ExecutionPlan())) is not None:
        plan, rung = down
        taken.append(rung.name)
        changed = {key: getattr(plan, key) for key in (*rung.changes, *(["storage"] if rung.stores else []))}
        assert changed == CHANGES.get(rung.name, {})
    assert taken == measures.split()


CHANGES: dict[str, dict[str, object]] = {
    "not_compiled": {"compiler": ""}, "vae_tiles": {"vae_tile": 512}, "vae_small_tiles": {"vae_tile": 256},
    "batch_split": {"batch_limit": 1}, "unet_half_storage": {"storage": {"unet": "float16"}},
    "unet_byte_storage": {"storage": {"unet": "float8_e4m3fn"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "left_out"),
    [
        (ExecutionPlan(), {"not_compiled", "text_encoders_out", "experts_in_turn", "unet_offload", "cpu"}),
        (
            ExecutionPlan(device="mps", dtypes={"unet": "float16"}),
            {
                "not_compiled",
                "text_encoders_out",
                "experts_in_turn",
                "unet_half_storage",
                "unet_byte_storage",
                "unet_offload",
            },
        ),
        (ExecutionPlan(device="cuda:0", dtypes={"unet": "bfloat16"}), {"not_compiled", "unet_half_storage"}),
    ],
)
def test_measures_that_cannot_be_taken(plan: ExecutionPlan, left_out: set[str]) -> None:
    assert {rung.name for rung in RUNGS if not rung.usable(plan)} == left_out | T5_MEASURES


def test_t5_is_kept_in_8_bits_before_it_is_left_out_and_the_denoiser_keeps_its_own_storage() -> None:
    plan, taken = ExecutionPlan(dtypes={"transformer": "float32", "text_encoder_3": "float32"}), list[str]()
    while (down := take_next_measure(plan, "encode")) is not None:
        plan = down[0]
        taken.append(down[1].name)
    assert taken == ["text_encoder_3_byte_storage", "text_encoder_3_out"]
    while (down := take_next_measure(plan, "denoise")) is not None:
        plan = down[0]
    assert plan.storage == {"text_encoder_3": "float8_e4m3fn", "transformer": "float8_e4m3fn"}


def test_a_twentieth_of_a_card_and_half_a_gigabyte_of_ram_stay_free() -> None:
    room = find_budget(card(free_bytes=8 * GIB), held=2 * GIB)
    assert room.device == int(9.5 * GIB) and room.ram == int(11.5 * GIB)
    assert find_budget(cpu(ram=12 * GIB)).ram == int(11.5 * GIB)
    assert find_cache_budget(card(free_bytes=10 * GIB)) == 6 * GIB
    assert find_cache_budget(Hardware()) == int(2.4 * GIB)


PLANS: dict[str, ExecutionPlan] = {
    "on the CPU": ExecutionPlan(),
    "on a card": ExecutionPlan(device="cuda:0", dtypes={c: "float16" for c in V1.work.parameters}),
    "in tiles": ExecutionPlan(vae_tile=256),
    "stored in 8 bits": ExecutionPlan(storage={"unet": "float8_e4m3fn"}),
    "offloaded": ExecutionPlan(device="cuda:0", measures=("unet_offload",)),
    "text encoders out": ExecutionPlan(device="cuda:0", measures=("text_encoders_out",)),
    "compiled": ExecutionPlan(compiler="openvino"),
}
PINNED_PREDICTIONS: dict[str, tuple[int, ...]] = {
    "on the CPU": (0, 4984, 4118, 4534, 4984),
    "on a card": (3267, 1640, 2163, 2315, 3267),
    "in tiles": (0, 4562, 4118, 4534, 4562),
    "stored in 8 bits": (0, 2524, 1658, 2186, 2524),
    "offloaded": (3122, 4265, 918, 1446, 3122),
    "text encoders out": (5934, 3281, 918, 4033, 5934),
    "compiled": (0, 5292, 4426, 4842, 5292),
}


@pytest.mark.parametrize("name", PLANS)
def test_predictions_stay_what_was_measured(name: str) -> None:
    """In MiB: on the device, in RAM, and per phase. New measurements may change the constants, and then these numbers."""
    predicted = predict(V1.work, PLANS[name])
    numbers = (predicted.peak_device, predicted.peak_ram, *predicted.phases.values())
    assert tuple(round(number / MIB) for number in numbers) == PINNED_PREDICTIONS[name]


def test_the_layout_of_a_checkpoint_without_a_word_is_that_of_stable_diffusion_1() -> None:
    assert Layout.of({}, {}) == Layout() == Layout(
        scale=8, unet_channels=(320, 640, 1280, 1280), unet_attention=(True, True, True, False), unet_blocks=2,
        decoder_channels=(128, 256, 512, 512),
    )  # fmt: skip


def test_bytes_of_a_number() -> None:
    assert BYTES == {"float32": 4, "bfloat16": 2, "float16": 2, "float8_e4m3fn": 1, "int8": 1}


def test_the_cpu_takes_over_only_where_there_is_a_plan_for_it() -> None:
    almost_all = dataclasses.replace(STARTED, compiler="", measures=("text_encoders_out",))
    assert take_next_measure(almost_all, "encode") is None
    assert take_next_measure(almost_all, "encode", ExecutionPlan()) is not None


def test_sizes_are_offered_in_multiples_of_64() -> None:
    room = Budget(ram=2 * GIB)
    sizes = {largest_size(dataclasses.replace(V1.work, width=1024, height=side), PLANS["stored in 8 bits"], room)
             for side in (512, 768, 1024)}  # fmt: skip
    assert None not in sizes and {number % 64 for size in sizes if size for number in size} == {0}
    assert any(number % 128 for size in sizes if size for number in size)


def test_what_each_speed_leaves_out() -> None:
    assert {name: (speed.run_every, speed.count_runs(20)) for name, speed in SPEEDS.items()} == {
        "exact": (1, 20), "balanced": (4, 8), "draft": (6, 6), "few_steps": (1, 20),
    }  # fmt: skip
    assert speed_for("draft", 9) == SPEEDS["exact"] and speed_for("draft", 10) == SPEEDS["draft"]
    assert [step for step in range(12) if SPEEDS["balanced"].runs_network(step, 12)] == [0, 1, 2, 6, 10, 11]


def test_the_newest_image_counts_half(tmp_path: Path) -> None:
    facts, key, device = LearnedFacts(tmp_path / "learnt.json"), TimingKey(width=512, height=512, steps=10), cpu().device
    for seconds in (10, 20):
        learn_timing(facts, "abc", device, key, stepping=seconds, rest=0)
    assert estimate_seconds(facts, "abc", device, key) == pytest.approx(15)


def test_a_first_estimate_of_upscaling(tmp_path: Path) -> None:
    facts = LearnedFacts(tmp_path / "learnt.json")
    lanczos = estimate_upscale(UpscaleWork(width=1000, height=1000, factor=2), facts)
    network = estimate_upscale(UpscaleWork(width=1000, height=1000, factor=2, parameters=1_000_000), facts)
    diffusion = estimate_upscale(UpscaleWork(width=1000, height=1000, factor=2, parameters=1_000_000, steps=10), facts)
    assert [round(each.seconds, 2) for each in (lanczos, network, diffusion)] == [0.4, 20.4, 100.4]
    assert [round(each.bytes / MIB) for each in (lanczos, network, diffusion)] == [353, 356, 402]
