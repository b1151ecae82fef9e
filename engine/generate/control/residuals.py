"""What control networks add to a denoiser in each step, and what they read for that."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Residuals:
    """What is added to a UNet: to its skip connections, from the outermost on, and to its ``middle``; to its levels (``inside``),
    from the outermost on. Empty, or None, where nothing is added."""

    down: tuple[torch.Tensor, ...] = ()
    middle: torch.Tensor | None = None
    inside: tuple[torch.Tensor, ...] = ()

    def add(self, other: Residuals) -> Residuals:
        """The sum with those of another control."""
        middle = other.middle if self.middle is None else self.middle if other.middle is None else self.middle + other.middle
        return Residuals(_add(self.down, other.down), middle, _add(self.inside, other.inside))

    def select_last(self, rows: int) -> Residuals:
        """Those of the last ``rows`` rows of the batch."""
        middle = None if self.middle is None else _select_last(self.middle, rows)
        down, inside = (tuple(_select_last(each, rows) for each in part) for part in (self.down, self.inside))
        return Residuals(down, middle, inside)


def _add(one: tuple[torch.Tensor, ...], two: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """The sums of two rows of tensors, one of which may be empty."""
    return tuple(first + second for first, second in zip(one, two, strict=True)) if one and two else one or two


def _select_last(tensor: torch.Tensor, rows: int) -> torch.Tensor:
    """The last rows of a tensor; a number for all rows stays as it is."""
    return tensor[-rows:] if tensor.dim() else tensor


@dataclass(frozen=True, kw_only=True)
class ControlInputs:
    """What the denoiser reads in a step, but for what stands beside the latents of some UNets. The first ``negatives`` rows are
    those of the negative prompt."""

    sample: torch.Tensor
    timestep: torch.Tensor
    encoder_hidden_states: torch.Tensor
    added_cond_kwargs: dict[str, torch.Tensor] | None
    negatives: int

    def without_negatives(self) -> ControlInputs:
        """The rows of the prompt alone."""
        added, first = self.added_cond_kwargs, self.negatives
        return ControlInputs(
            sample=self.sample[first:], timestep=self.timestep, negatives=0,
            encoder_hidden_states=self.encoder_hidden_states[first:],
            added_cond_kwargs=None if added is None else {name: tensor[first:] for name, tensor in added.items()},
        )  # fmt: skip
