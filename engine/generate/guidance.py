"""Kinds of guidance: how the predictions for prompt and negative prompt become one. The mathematics are diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from diffusers.guiders.classifier_free_zero_star_guidance import cfg_zero_star_scale
from diffusers.guiders.guider_utils import rescale_noise_cfg

from engine.checkpoints.families import SkipLayers


@dataclass(frozen=True, kw_only=True)
class GuidanceKind:
    """``perturbed_scale``: how far the prediction moves away from that of a UNet with perturbed self-attention; 0 for none.

    ``projected``: the part of the difference between prompt and negative prompt that only raises contrast is left out; the
    values are those that the paper advises for Stable Diffusion XL. ``zero_star``: for flow matching, the negative prompt's
    prediction is scaled to fit the prompt's, and the first step stands still. ``skips_layers``: the prediction moves away from
    that of a transformer without some of its layers; which, and how far, is in the families table.
    """

    perturbed_scale: float = 0.0
    skips_layers: bool = False
    projected: bool = False
    zero_star: bool = False
    paper: str = ""


GUIDANCES: Mapping[str, GuidanceKind] = {
    "cfg": GuidanceKind(paper="Ho and Salimans 2022, arXiv 2207.12598"),
    "pag": GuidanceKind(perturbed_scale=3.0, paper="Ahn et al. 2024, arXiv 2403.17377"),
    "apg": GuidanceKind(projected=True, paper="Sadat et al. 2024, arXiv 2410.02416"),
    "cfg_zero": GuidanceKind(zero_star=True, paper="Fan et al. 2025, arXiv 2503.18886"),
    "slg": GuidanceKind(skips_layers=True, paper="Hyung et al. 2024, arXiv 2411.18664"),
}
"""Name of the setting, as in :data:`engine.requests.GUIDANCES` -> its row."""

_MOMENTUM, _MOST_DIFFERENCE = -0.5, 15.0
"""APG's: how much of earlier differences is taken back, and the norm to which a difference is bounded."""


@dataclass(frozen=True)
class Guidance:
    """The guidance of one batch from step to step.

    ``rescale`` (0..1): the share of the loss of contrast that is undone (Lin et al. 2023, arXiv 2305.08891, section 3.4).
    ``skip_layers`` of the checkpoint's family, for a run of ``steps`` steps.
    """

    kind: GuidanceKind = GUIDANCES["cfg"]
    rescale: float = 0.0
    skip_layers: SkipLayers | None = None
    steps: int = 0
    _momentum: MomentumBuffer = field(default_factory=lambda: MomentumBuffer(_MOMENTUM))

    def layers_to_skip(self, step: int) -> tuple[int, ...]:
        """The layers that a further pass of ``step`` leaves out; none if there is no such pass."""
        skip = self.skip_layers if self.kind.skips_layers else None
        return skip.layers if skip is not None and self.steps * skip.start < step < self.steps * skip.stop else ()

    @property
    def _scale(self) -> float:
        """How far the prediction moves away from that of the further pass."""
        return self.skip_layers.scale if self.kind.skips_layers and self.skip_layers is not None else self.kind.perturbed_scale

    def guide(self, step: int, guided: torch.Tensor, prompt: torch.Tensor, negative: torch.Tensor, scale: float) -> torch.Tensor:
        """The prediction of ``step``, from 0, by those for ``prompt`` and ``negative``. ``guided`` is the usual one."""
        if self.kind.zero_star and step == 0:
            return torch.zeros_like(prompt)
        if self.kind.zero_star:
            shrunk = negative * cfg_zero_star_scale(prompt.flatten(1), negative.flatten(1)).view(-1, 1, 1, 1)
            return shrunk + scale * (prompt - shrunk)
        if self.kind.projected:
            guided = normalized_guidance(
                prompt, negative, scale, self._momentum, eta=0.0, norm_threshold=_MOST_DIFFERENCE, norm_dim=(-1, -2, -3)
            )
        return guided

    def finish(self, step: int, guided: torch.Tensor, prompt: torch.Tensor, perturbed: torch.Tensor | None) -> torch.Tensor:
        """``guided`` moved away from ``perturbed``, if it is there, and rescaled to the contrast of ``prompt``."""
        if perturbed is not None:
            guided = guided + self._scale * (prompt - perturbed)
        stands_still = self.kind.zero_star and step == 0
        return rescale_noise_cfg(guided, prompt, self.rescale) if self.rescale and not stands_still else guided
