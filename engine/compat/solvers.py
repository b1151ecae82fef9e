"""diffusers' schedulers where Easel needs more of them.

Those for stochastic differential equations have noise that is a path of Brownian motion for each image. The path of a seed is the
same however many steps look at it (torchsde's Brownian tree: Li et al. 2020, arXiv 2001.01328), so that another number of steps
gives a similar image. It is drawn on the CPU, so that it is the same on every device, and an image of a batch has the noise that
it has alone.

The linear multistep method may begin part of the way.

Those for flow matching have the methods of the others: they name noising differently (``scale_noise``), and leave out what does
nothing there, the scales of the first noise and of the network's input.
"""

from __future__ import annotations

from typing import Protocol

import diffusers
import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import SchedulerOutput
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler, DPMSolverSDESchedulerOutput
from diffusers.schedulers.scheduling_lms_discrete import LMSDiscreteSchedulerOutput

__all__ = [
    "BrownianDPMSolverMultistepScheduler", "BrownianDPMSolverSDEScheduler", "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler", "LMSDiscreteScheduler",
]  # fmt: skip


class _Path:
    """The noise of each image of a batch, between the noise levels ``sigmas``."""

    def __init__(self, sigmas: torch.Tensor, sample: torch.Tensor, seeds: tuple[int, ...]) -> None:
        like = torch.zeros(sample.shape, dtype=torch.float32)
        levels = sigmas[sigmas > 0]
        self._tree = BrownianTreeNoiseSampler(like, float(levels.min()), float(levels.max()), list(seeds))
        self._device = sample.device

    def __call__(self, sigma: torch.Tensor, sigma_next: torch.Tensor) -> torch.Tensor:
        """Noise of variance 1 for a step between two levels."""
        return self._tree(float(sigma), float(sigma_next)).to(self._device)


class BrownianDPMSolverSDEScheduler(diffusers.DPMSolverSDEScheduler):
    """The solver with one step of memory. ``seeds``: one for each image of the batch."""

    seeds: tuple[int, ...] = (0,)
    _path: _Path | None = None

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float | torch.Tensor,
        sample: torch.Tensor,
        return_dict: bool = True,
        s_noise: float = 1.0,
    ) -> DPMSolverSDESchedulerOutput | tuple[torch.Tensor, ...]:
        """As the base class does."""
        self._path = self._path or _Path(self.sigmas, sample, self.seeds)
        self.noise_sampler = self._path
        return super().step(model_output, timestep, sample, return_dict, s_noise)


class BrownianDPMSolverMultistepScheduler(diffusers.DPMSolverMultistepScheduler):
    """The solvers that remember earlier steps. ``seeds``: one for each image of the batch."""

    seeds: tuple[int, ...] = (0,)
    _path: _Path | None = None

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        variance_noise: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> SchedulerOutput | tuple[torch.Tensor, ...]:
        """As the base class does; ``generator`` is not used."""
        if self.step_index is None:
            self._init_step_index(timestep)
        self._path = self._path or _Path(self.sigmas, sample, self.seeds)
        index = self.step_index or 0
        sigma, sigma_next = self.sigmas[index], self.sigmas[index + 1]
        noise = self._path(sigma, sigma_next) if sigma_next > 0 else torch.zeros_like(sample)
        return super().step(model_output, timestep, sample, variance_noise=noise, return_dict=return_dict)


class LMSDiscreteScheduler(diffusers.LMSDiscreteScheduler):
    """The base class takes its order from the step's number, although a run that begins later has no derivatives yet."""

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float | torch.Tensor,
        sample: torch.Tensor,
        order: int = 4,
        return_dict: bool = True,
    ) -> LMSDiscreteSchedulerOutput | tuple[torch.Tensor, ...]:
        """As the base class does."""
        return super().step(model_output, timestep, sample, min(order, len(self.derivatives) + 1), return_dict)


class _ScalesNoise(Protocol):
    def scale_noise(
        self, sample: torch.FloatTensor, timestep: torch.FloatTensor, noise: torch.FloatTensor | None = None
    ) -> torch.FloatTensor: ...


class _UsualMethods:
    """What diffusers' schedulers for other than flow matching have."""

    init_noise_sigma = 1.0

    def scale_model_input(self, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """``sample`` itself."""
        return sample

    def add_noise(
        self: _ScalesNoise, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """``original_samples`` with as much noise as the next step expects; ``timesteps`` is that step's."""
        return self.scale_noise(original_samples, timesteps, noise)  # pyright: ignore[reportArgumentType]  # says FloatTensor


class FlowMatchEulerDiscreteScheduler(_UsualMethods, diffusers.FlowMatchEulerDiscreteScheduler):
    """Euler's method."""


class FlowMatchHeunDiscreteScheduler(_UsualMethods, diffusers.FlowMatchHeunDiscreteScheduler):
    """Heun's method, which evaluates the network twice a step."""
