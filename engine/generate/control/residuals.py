"""What control networks add to a UNet in each step: ControlNet, Zhang, Rao and Agrawala 2023, arXiv 2302.05543.

How the modes weigh the layers is what the ControlNet extension of AUTOMATIC1111's program does (``scripts/hook.py``): but for
"balanced", the deeper a layer, the more it counts; in the mode "control" what the negative prompt predicts is not controlled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from engine.checkpoints.load.control_network import ControlNetwork
from engine.compat.hooks import change_dtype
from engine.generate.speed.transfers import send
from engine.requests import Control

_FALLING = 0.825
_LAST = 12
"""The deepest layer of Stable Diffusion 1, from which the weights fall towards the outermost one."""


@dataclass(frozen=True)
class Residuals:
    """What is added to the skip connections of a UNet, from the outermost on, and to its middle."""

    down: tuple[torch.Tensor, ...]
    middle: torch.Tensor

    def add(self, other: Residuals | None) -> Residuals:
        """The sum with those of another control."""
        if other is None:
            return self
        down = tuple(one + two for one, two in zip(self.down, other.down, strict=True))
        return Residuals(down, self.middle + other.middle)

    def select_last(self, rows: int) -> Residuals:
        """Those of the last ``rows`` rows of the batch."""
        return Residuals(tuple(_select_last(each, rows) for each in self.down), _select_last(self.middle, rows))

    @property
    def outermost(self) -> Residuals:
        """Those that a UNet reads which skips its deep layers; the others are numbers that change nothing."""
        nothing = torch.zeros((), dtype=self.middle.dtype, device=self.middle.device)
        return Residuals((self.down[0], *(nothing for _ in self.down[1:])), nothing)


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


@dataclass(frozen=True, kw_only=True)
class RunningControl:
    """A control in a run. ``image`` is its map: 1 x channels x height x width, as its network reads it."""

    control: Control
    network: ControlNetwork
    image: torch.Tensor

    def is_active(self, index: int, steps: int) -> bool:
        """Whether it runs in step ``index`` of ``steps``: in those that lie between its start and its end as a whole."""
        return index / steps >= self.control.start and (index + 1) / steps <= self.control.end

    def fit(self, height: int, width: int) -> RunningControl:
        """The same for an image of ``height`` x ``width`` pixels, the smaller of two passes."""
        if self.image.shape[-2:] == (height, width):
            return self
        small = torch.nn.functional.interpolate(self.image.float(), (height, width), mode="area")
        return replace(self, image=small.to(self.image.dtype))

    def crop(self, rows: slice, columns: slice, latents: int) -> RunningControl:
        """The same for a tile, in latents, of an image that is ``latents`` of them high."""
        scale = self.image.shape[-2] // latents
        across, down = (slice(each.start * scale, each.stop * scale) for each in (columns, rows))
        return replace(self, image=self.image[..., down, across])

    def predict(self, inputs: ControlInputs) -> Residuals:
        """What it adds in a step, weighted."""
        dtype, spared = inputs.sample.dtype, inputs.negatives if self.control.mode == "control" else 0
        if self.network.dtype != dtype:  # the denoiser was raised to a safer precision
            change_dtype(self.network, dtype)
        read = inputs.without_negatives() if spared else inputs
        down, middle = self.network(
            read.sample,
            read.timestep,
            encoder_hidden_states=read.encoder_hidden_states,
            controlnet_cond=send(self.image, read.sample.device, dtype).expand(len(read.sample), -1, -1, -1),
            added_cond_kwargs=read.added_cond_kwargs,
            return_dict=False,
        )
        *outer, inner = self._weigh([*down, middle], spared)
        return Residuals(tuple(outer), inner)

    def _weigh(self, layers: Sequence[torch.Tensor], spared: int) -> list[torch.Tensor]:
        """``layers`` by the control's weight and mode, with rows of zeros for the ``spared`` ones."""
        weighted = [layer * weight for layer, weight in zip(layers, self.list_weights(len(layers)), strict=True)]
        return [torch.cat([torch.zeros_like(layer[:1]).expand(spared, -1, -1, -1), layer]) for layer in weighted]

    def list_weights(self, count: int) -> list[float]:
        """The weight of each of ``count`` layers, the outermost first and the middle last."""
        falling = self.control.mode != "balanced"
        return [self.control.weight * (_FALLING ** (_LAST - index) if falling else 1.0) for index in range(count)]


@dataclass(frozen=True)
class _LastResiduals:
    """The ``residuals`` that were computed last, at step ``index``; ``key`` says by how many controls, for how many rows and in
    which precision."""

    index: int
    key: tuple[int, int, torch.dtype]
    residuals: Residuals


@dataclass
class Controls:
    """All controls of an image that takes ``steps`` steps."""

    running: tuple[RunningControl, ...]
    steps: int
    _found: _LastResiduals | None = field(default=None, init=False)

    def fit(self, height: int, width: int) -> Controls:
        """The same for an image of ``height`` x ``width`` pixels."""
        return Controls(tuple(each.fit(height, width) for each in self.running), self.steps)

    def crop(self, rows: slice, columns: slice, latents: int) -> Controls:
        """The same for a tile, in latents, of an image that is ``latents`` of them high."""
        return Controls(tuple(each.crop(rows, columns, latents) for each in self.running), self.steps)

    def find_residuals(self, index: int, inputs: ControlInputs, *, skips: bool) -> Residuals | None:
        """The sum of what the controls add in step ``index``; None for nothing. A step that ``skips`` the UNet's deep layers
        takes those of the last whole step."""
        active = [each for each in self.running if each.is_active(index, self.steps)]
        if not active:
            return None
        key = len(active), len(inputs.sample), inputs.sample.dtype
        if self._found is None or self._found.key != key or not (skips or self._found.index == index):
            total: Residuals | None = None
            for each in active:
                total = each.predict(inputs).add(total)
            assert total is not None, "there is an active control"
            self._found = _LastResiduals(index, key, total)
        return self._found.residuals.outermost if skips else self._found.residuals
