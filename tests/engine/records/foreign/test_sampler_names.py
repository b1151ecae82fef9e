"""Every sampler and schedule of every program becomes one of Easel's, and what is not exact is said.

Lists: AUTOMATIC1111 and Forge ``modules/sd_samplers_kdiffusion.py`` and ``sd_schedulers.py``; ComfyUI ``comfy/samplers.py``;
SD.Next ``modules/sd_samplers_diffusers.py``; InvokeAI ``backend/stable_diffusion/schedulers/schedulers.py``; Easy Diffusion;
NovelAI; Draw Things.
"""

from __future__ import annotations

import pytest

from engine.generate.samplers import SCHEDULERS
from engine.generate.samplers import SCHEDULES as HERE
from engine.records.foreign import readers
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.foreign.nearest_names import find_nearest
from engine.records.foreign.sampler_names import read_sampler

SAMPLERS = {
    "AUTOMATIC1111": """
        DPM++ 2M | DPM++ SDE | DPM++ 2M SDE | DPM++ 2M SDE Heun | DPM++ 2S a | DPM++ 3M SDE | Euler a | Euler | LMS |
        Heun | DPM2 | DPM2 a | DPM fast | DPM adaptive | Restart | DDIM | DDIM CFG++ | PLMS | UniPC | LCM | DPM++ 2M
        Karras | DPM++ SDE Karras | DPM2 a Karras | LMS Karras | DPM++ 2M SDE Exponential
    """,
    "ComfyUI": """
        euler | euler_cfg_pp | euler_ancestral | euler_ancestral_cfg_pp | heun | heunpp2 | dpm_2 | dpm_2_ancestral |
        lms | dpm_fast | dpm_adaptive | dpmpp_2s_ancestral | dpmpp_2s_ancestral_cfg_pp | dpmpp_sde | dpmpp_sde_gpu |
        dpmpp_2m | dpmpp_2m_cfg_pp | dpmpp_2m_sde | dpmpp_2m_sde_gpu | dpmpp_3m_sde | dpmpp_3m_sde_gpu | ddpm | lcm |
        ipndm | ipndm_v | deis | res_multistep | res_multistep_cfg_pp | res_multistep_ancestral | gradient_estimation
        | er_sde | seeds_2 | seeds_3 | sa_solver | ddim | uni_pc | uni_pc_bh2
    """,
    "SD.Next": """
        UniPC | DDIM | Euler | Euler a | Euler SGM | DPM++ | DPM++ 1S | DPM++ 2M | DPM++ 3M | DPM++ 2M SDE | DPM SDE |
        Heun | DDPM | KDPM2 | KDPM2 a | DEIS | IPNDM | LMSD | PNDM | SA Solver | LCM | TCD
    """,
    "InvokeAI": """
        ddim | ddpm | deis | deis_k | lms | lms_k | pndm | heun | heun_k | euler | euler_k | euler_a | kdpm_2 |
        kdpm_2_k | kdpm_2_a | kdpm_2_a_k | dpmpp_2s | dpmpp_2s_k | dpmpp_2m | dpmpp_2m_k | dpmpp_2m_sde |
        dpmpp_2m_sde_k | dpmpp_3m | dpmpp_3m_k | dpmpp_sde | dpmpp_sde_k | unipc | unipc_k | lcm | tcd
    """,
    "Easy Diffusion": """
        plms | ddim | heun | euler | euler_a | dpm2 | dpm2_a | lms | dpm_solver_stability | dpmpp_2s_a | dpmpp_2m |
        dpmpp_2m_sde | dpmpp_sde | dpm_fast | dpm_adaptive | ddpm | deis | unipc_snr | unipc_tu | unipc_tq |
        unipc_snr_2 | unipc_tu_2
    """,
    "NovelAI": """
        k_euler | k_euler_ancestral | k_dpmpp_2s_ancestral | k_dpmpp_2m | k_dpmpp_2m_sde | k_dpmpp_sde | k_dpm_2 |
        k_dpm_fast | ddim | ddim_v3 | k_lms | plms
    """,
    "Draw Things": """
        DPM++ 2M Karras | Euler A | DDIM | PLMS | DPM++ SDE Karras | UniPC | LCM | Euler A Substep | DPM++ SDE Substep
        | TCD | Euler A Trailing | DPM++ SDE Trailing | DPM++ 2M AYS | Euler A AYS | DPM++ SDE AYS | DPM++ 2M Trailing
        | DDIM Trailing | UniPC Trailing | UniPC AYS
    """,
}
SCHEDULES = (
    "karras", "exponential", "polyexponential", "sgm_uniform", "simple", "beta", "ddim_uniform", "linear_quadratic", "kl_optimal",
    "Align Your Steps", "AYS SDXL", "GITS", "Turbo", "laplace",
)  # fmt: skip
ALL = [(program, " ".join(name.split())) for program, names in SAMPLERS.items() for name in names.split("|")]


@pytest.mark.parametrize(("program", "name"), ALL)
def test_every_sampler_becomes_one_of_easels(program: str, name: str) -> None:
    found = read_sampler(name)
    notes: list[str] = []
    used = find_nearest("sampler", found.name, SCHEDULERS, notes)
    assert used in SCHEDULERS
    assert found.name in SCHEDULERS or f"“{used}” comes nearest" in notes[0]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_is_used_or_the_nearest_is_said(schedule: str) -> None:
    found = read_sampler("dpmpp_2m", schedule)
    record = ForeignRecord(program="A", raw="", scheduler=found.name, schedule=found.schedule)
    request, notes = readers.to_request(record, SCHEDULERS, schedules=HERE)
    assert request.scheduler == "DPM++ 2M" and request.schedule in HERE
    assert notes == () if found.schedule in HERE else f"“{request.schedule}” comes nearest" in notes[0]


@pytest.mark.parametrize("schedule", ["normal", "Automatic", "Uniform", "native", "", None, "discrete"])
def test_the_usual_schedule_of_other_programs_has_even_steps(schedule: str | None) -> None:
    assert read_sampler("Euler", schedule).schedule == "Normal"
    assert read_sampler("Euler", None, usual="Default").schedule == "Default"
    assert read_sampler("ddim", None).schedule is None, "it spaces its timesteps itself"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("DPM++ 2M", "Karras"), ("Euler a", "Normal"), ("DPM++ 2M SDE", "Exponential"), ("DDIM", None), ("DPM2", "Karras")],
)
def test_automatic_is_what_automatic1111_runs(name: str, expected: str | None) -> None:
    assert read_sampler(name, "Automatic").schedule == expected


def test_a_sampler_that_is_not_here_keeps_its_kind() -> None:
    for name, expected in (("DPM fast", "DPM++ 2S"), ("Restart", "Heun"), ("DPM++ 2S a", "DPM2 a"), ("euler_cfg_pp", "Euler")):
        assert find_nearest("sampler", name, SCHEDULERS, []) == expected
