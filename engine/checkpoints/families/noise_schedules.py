"""Noise schedules that fine-tunes of a family were trained with in place of the family's own, as their schedulers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.json_values import JsonValue


@dataclass(frozen=True, kw_only=True)
class NoiseSchedule:
    """``name`` as identities hold it, and what is best for it, None where the family's own defaults are.

    ``guidance_rescale``: how much of the loss of contrast by guidance is undone (Lin et al. 2023, arXiv 2305.08891, section 3.4).
    ``continuous``: it has no betas, and only the samplers of EDM (Karras et al. 2022, arXiv 2206.00364) fit.
    """

    name: str
    scheduler: str
    guidance_scale: float | None = None
    guidance_rescale: float = 0.0
    continuous: bool = False


EDM = NoiseSchedule(name="edm", scheduler="DPM++ 2M Karras", guidance_scale=3.0, continuous=True)
"""Playground 2.5, with the guidance scale of its published card."""

EDM_V = NoiseSchedule(name="edm_v_prediction", scheduler="DPM++ 2M Default", continuous=True)
"""CosXL."""

ZERO_TERMINAL_SNR = NoiseSchedule(name="zero_terminal_snr", scheduler="Euler", guidance_rescale=0.7)
"""NoobAI and others whose last training step is noise alone."""

NOISE_SCHEDULES: Mapping[str, NoiseSchedule] = {row.name: row for row in (EDM, EDM_V, ZERO_TERMINAL_SNR)}


def find_noise_schedule(scheduler: Mapping[str, JsonValue]) -> str:
    """The name of the noise schedule that a scheduler's configuration has, "" for that of its family."""
    if str(scheduler.get("_class_name", "")).startswith("EDM"):
        return (EDM_V if scheduler.get("prediction_type") == "v_prediction" else EDM).name
    return ZERO_TERMINAL_SNR.name if scheduler.get("rescale_betas_zero_snr") is True else ""
