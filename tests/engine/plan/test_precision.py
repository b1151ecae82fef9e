"""Every kind of hardware meets every family of checkpoints."""

from __future__ import annotations

import itertools
import re

import pytest

from engine.checkpoints.families import BY_NAME, FAMILIES, Family
from engine.plan.hardware.facts import Device, Hardware
from engine.plan.precision import Tolerance, choose, find_safer_dtype, raise_precision, replace_dtypes
from engine.plan.precision_table import ROWS, find_row
from engine.requests import DTYPES
from engine.requests.resolved import MOST_SCORES
from tests.engine.plan.conftest import MACHINES, card, cpu, mac

XL, V2, V1 = BY_NAME["xl"], BY_NAME["sd2_v"], BY_NAME["sd1"]


@pytest.mark.parametrize("name", MACHINES)
def test_each_machine_meets_its_row(name: str) -> None:
    assert find_row(MACHINES[name]).name == name


def test_every_row_is_reached_and_has_a_reason() -> None:
    assert [row.name for row in ROWS] == list(MACHINES)
    assert all(row.reason.endswith(".") and row.dtypes for row in ROWS)


def test_the_last_row_matches_all() -> None:
    strange = Hardware(device=Device(kind="abacus"))
    assert find_row(strange) is ROWS[-1]
    assert all(ROWS[-1].matches(machine) for machine in (*MACHINES.values(), strange))


PAIRS = list(itertools.product(MACHINES, FAMILIES))


@pytest.mark.parametrize(("name", "family"), PAIRS, ids=lambda v: getattr(v, "name", v))
def test_every_plan_is_within_what_family_and_hardware_bear(name: str, family: Family) -> None:
    machine = MACHINES[name]
    plan = choose(machine, family)
    assert set(plan.dtypes) == set(family.dtypes)
    for component, dtype in plan.dtypes.items():
        assert dtype in family.dtypes[component]
        assert dtype in find_row(machine).works
        assert machine.device.kind != "cpu" or dtype != "float16"
    overflowing = family.attention_upcast_in_fp16 and plan.dtype(plan.denoiser) == "float16"
    assert plan.attention_upcast or not overflowing
    assert plan.reasons and plan.device == machine.device.torch


@pytest.mark.parametrize("asked", DTYPES)
@pytest.mark.parametrize("name", MACHINES)
def test_what_the_user_insists_on_is_followed_where_it_works(name: str, asked: str) -> None:
    machine = MACHINES[name]
    plan = choose(machine, XL, overrule=asked)
    if asked in find_row(machine).works:
        assert plan.dtype("unet") == asked
    else:
        assert plan.dtype("unet") == "float32"
        assert "does not work on this hardware" in " ".join(plan.reasons)
    assert plan.dtype("vae") != "float16"


def test_cpus_never_get_float16_even_when_asked() -> None:
    for machine in MACHINES.values():
        if machine.device.kind == "cpu":
            assert "float16" not in choose(machine, V1, overrule="float16").dtypes.values()


def test_the_decoder_that_overflows_in_float16_gets_the_best_safe_precision() -> None:
    assert choose(MACHINES["NVIDIA Ampere"], XL).dtype("vae") == "bfloat16"
    assert choose(MACHINES["NVIDIA Turing RTX"], XL).dtype("vae") == "float32"
    reasons = choose(MACHINES["NVIDIA Turing RTX"], XL).reasons
    assert "The decoder (VAE) runs in float32: this kind of checkpoint does not work in float16 there." in reasons


def test_attention_that_overflows_is_avoided_in_bfloat16_or_computed_in_float32() -> None:
    on_ampere, on_turing = (choose(MACHINES[f"NVIDIA {name}"], V2) for name in ("Ampere", "Turing RTX"))
    assert (on_ampere.dtype("unet"), on_ampere.attention_upcast) == ("bfloat16", False)
    assert (on_turing.dtype("unet"), on_turing.attention_upcast) == ("float16", True)
    assert not any("does not work in" in reason for reason in on_ampere.reasons)


def test_recent_macos_computes_attention_in_float32() -> None:
    assert choose(mac(14, 5), V1).attention_upcast
    assert not choose(mac(14, 4), V1).attention_upcast
    assert not choose(mac(15, 0), V1, overrule="float32").attention_upcast


CHANNELS_FIRST = re.compile("AMD (RDNA|Vega)|other AMD|Apple")
"""Rows whose hardware computes channels last more slowly, or wrongly in slices."""


@pytest.mark.parametrize("name", MACHINES)
def test_layout_and_slices_follow_the_row(name: str) -> None:
    plan, upcast = choose(MACHINES[name], V1), choose(MACHINES[name], V2, overrule="float16").attention_upcast
    assert plan.channels_last != bool(CHANNELS_FIRST.match(name))
    if plan.device == "mps":
        assert plan.attention_scores < MOST_SCORES and upcast


@pytest.mark.parametrize(
    "name", ["NVIDIA GeForce GTX 1660 Ti", "NVIDIA T600", "Quadro T1000", "NVIDIA GeForce MX450", "NVIDIA T550 Laptop GPU"]
)
def test_kin_of_the_16xx_run_in_float32(name: str) -> None:
    assert choose(card(capability=(7, 5), name=name), V1).dtype("unet") == "float32"


@pytest.mark.parametrize("name", ["Tesla T4", "NVIDIA GeForce RTX 2080 Ti", "Quadro RTX 4000", "NVIDIA TITAN RTX"])
def test_other_turing_cards_are_not_taken_for_them(name: str) -> None:
    assert choose(card(capability=(7, 5), name=name), V1).dtype("unet") == "float16"


@pytest.mark.parametrize(
    ("name", "gain", "expected"),
    [
        ("x86 CPU with AVX-512 BF16", None, "bfloat16"),
        ("x86 CPU with AVX-512 BF16", 1.9, "bfloat16"),
        ("x86 CPU with AVX-512 BF16", 0.8, "float32"),
        ("ARM CPU with bfloat16", None, "float32"),
        ("ARM CPU with bfloat16", 1.5, "bfloat16"),
        ("x86 CPU without bfloat16", 9.0, "float32"),
        ("x86 CPU with AMX", 0.5, "bfloat16"),
    ],
)
def test_faster_is_measured_where_the_table_says_so(name: str, gain: float | None, expected: str) -> None:
    plan = choose(MACHINES[name], V1, measured=None if gain is None else {"bfloat16": gain})
    assert set(plan.dtypes.values()) == {expected}
    asks = bool(find_row(MACHINES[name]).if_faster) and gain is not None
    assert any(reason.startswith("Measured here") for reason in plan.reasons) == asks


def test_pascal_takes_float16_only_after_it_was_measured() -> None:
    pascal = MACHINES["NVIDIA Pascal"]
    assert choose(pascal, V1).dtype("unet") == "float32"
    faster = choose(pascal, V1, measured={"float16": 1.4})
    assert (faster.dtype("unet"), faster.dtype("vae")) == ("float16", "float32")


def test_each_overflow_leads_to_a_safer_precision_until_float32() -> None:
    ampere = MACHINES["NVIDIA Ampere"]
    plan = choose(ampere, V1)
    seen = [plan.dtype("vae")]
    while (next_plan := raise_precision(plan, "vae", ampere, V1)) is not None:
        plan = next_plan
        seen.append(plan.dtype("vae"))
    assert seen == ["float16", "bfloat16", "float32"]
    assert plan.dtype("unet") == "float16"
    assert plan.reasons[-1] == "The decoder (VAE) runs in float32: in bfloat16 this checkpoint gave invalid numbers."


def test_safer_passes_over_what_the_hardware_lacks() -> None:
    vega = MACHINES["AMD Vega"]
    after = raise_precision(choose(vega, V1), "unet", vega, V1)
    assert after is not None and after.dtype("unet") == "float32"


def test_an_unknown_component_still_has_a_sentence() -> None:
    family = Tolerance(name="odd", dtypes={"unet": ("float32",), "hypernetwork": ("float32",)})
    plan = choose(MACHINES["NVIDIA Ada"], family)
    assert any(reason.startswith("The part 'hypernetwork' runs in float32") for reason in plan.reasons)


def test_learnt_precisions_that_change_nothing_say_nothing() -> None:
    plan = choose(cpu(), V1)
    assert replace_dtypes(plan, {"vae": "float32"}) == plan


@pytest.mark.parametrize("machine", MACHINES.values(), ids=list(MACHINES))
def test_what_overflowed_goes_on_in_a_precision_that_is_worth_using_there(machine: Hardware) -> None:
    """Bfloat16 that is only emulated (Turing, Volta) is never chosen: float32 is quicker there and takes less memory."""
    for component in ("unet", "vae"):
        safer = find_safer_dtype("float16", component, machine, V1)
        assert safer in (*find_row(machine).order(component), "float32")


@pytest.mark.parametrize("denoiser", ["unet", "transformer"])
def test_attention_that_overflows_is_computed_in_full_whatever_network_denoises(denoiser: str) -> None:
    family = Tolerance(name="any", dtypes={denoiser: ("float16", "float32")}, attention_upcast_in_fp16=True)
    plan = choose(MACHINES["NVIDIA Ampere"], family)
    assert (plan.dtype(plan.denoiser), plan.attention_upcast) == ("float16", True)
