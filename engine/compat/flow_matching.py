"""diffusers' schedulers for flow matching, with the methods that its other schedulers have.

They name noising differently (``scale_noise``), and leave out what does nothing there: the scales of the first noise and of the
network's input.
"""

from __future__ import annotations

import diffusers
import torch

__all__ = ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"]


class FlowMatchEulerDiscreteScheduler(diffusers.FlowMatchEulerDiscreteScheduler):
    """Euler's method."""

    init_noise_sigma = 1.0

    def scale_model_input(self, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """``sample`` itself."""
        return sample

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """``original_samples`` with as much noise as the next step expects; ``timesteps`` is that step's."""
        return self.scale_noise(original_samples, timesteps, noise)  # pyright: ignore[reportArgumentType]  # says FloatTensor


class FlowMatchHeunDiscreteScheduler(diffusers.FlowMatchHeunDiscreteScheduler):
    """Heun's method, which evaluates the network twice a step."""

    init_noise_sigma = 1.0

    def scale_model_input(self, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """``sample`` itself."""
        return sample

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """``original_samples`` with as much noise as the next step expects; ``timesteps`` is that step's."""
        return self.scale_noise(original_samples, timesteps, noise)  # pyright: ignore[reportArgumentType]  # says FloatTensor
