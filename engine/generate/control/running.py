"""Control networks in a run, step by step.

ControlNet: Zhang, Rao and Agrawala 2023, arXiv 2302.05543. T2I-Adapter: Mou et al. 2023, arXiv 2302.08453. How the modes weigh
the layers is what the ControlNet extension of AUTOMATIC1111's program does (``scripts/hook.py``): but for "balanced", the deeper
a layer, the more it counts; in the mode "control" what the negative prompt predicts is not controlled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter

from engine.checkpoints.load.control.network import ControlNetwork
from engine.compat.hooks import change_dtype
from engine.generate.control.residuals import ControlInputs, Residuals
from engine.generate.speed.transfers import send
from engine.requests import Control

_FALLING = 0.825
_LAST = 12
"""The deepest layer of Stable Diffusion 1, from which the weights fall towards the outermost one."""

_FALLING_LEVELS = (0.25, 0.62, 0.825, 1.0)
"""Those of a T2I-Adapter's features, the outermost first."""


@dataclass(frozen=True, kw_only=True)
class RunningControl:
    """A control in a run. ``image`` is its map: 1 x channels x height x width, as its network reads it. ``task`` is the number of
    what it shows, for a union."""

    control: Control
    network: ControlNetwork
    image: torch.Tensor
    task: int = 0
    _features: dict[torch.dtype, tuple[torch.Tensor, ...]] = field(default_factory=dict, init=False, compare=False)
    """What a T2I-Adapter found in the map: the same in every step."""

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
        if isinstance(self.network, T2IAdapter):
            return Residuals(inside=tuple(self._weigh(self._find_features(self.network, read), spared)))
        *outer, inner = self._weigh(self._find_layers(self.network, read), spared)
        return Residuals(tuple(outer), inner)

    def _find_layers(self, network: ControlNetModel | ControlNetUnionModel, read: ControlInputs) -> Sequence[torch.Tensor]:
        """What a ControlNet adds to the skip connections, and last to the middle."""
        image = send(self.image, read.sample.device, read.sample.dtype).expand(len(read.sample), -1, -1, -1)
        if isinstance(network, ControlNetUnionModel):
            task = torch.tensor([self.task], device=read.sample.device)
            kinds = torch.nn.functional.one_hot(task, network.config["num_control_type"]).to(read.sample.dtype)
            own = {"controlnet_cond": [image], "control_type": kinds.expand(len(image), -1), "control_type_idx": [self.task]}
        else:
            own = {"controlnet_cond": image}
        down, middle = network(
            read.sample, read.timestep, encoder_hidden_states=read.encoder_hidden_states,
            added_cond_kwargs=read.added_cond_kwargs, return_dict=False, **own,
        )  # fmt: skip
        return [*down, middle]

    def _find_features(self, network: T2IAdapter, read: ControlInputs) -> Sequence[torch.Tensor]:
        """What a T2I-Adapter adds to the levels: computed once, for one row."""
        sample = read.sample
        if sample.dtype not in self._features:
            patch = network.config["downscale_factor"]
            image = send(self.image, sample.device, sample.dtype)
            right, below = -image.shape[-1] % patch, -image.shape[-2] % patch
            padded = torch.nn.functional.pad(image, (0, right, 0, below), mode="replicate")
            self._features[sample.dtype] = tuple(network(padded))
        return [each.expand(len(sample), -1, -1, -1) for each in self._features[sample.dtype]]

    def _weigh(self, layers: Sequence[torch.Tensor], spared: int) -> list[torch.Tensor]:
        """``layers`` by the control's weight and mode, with rows of zeros for the ``spared`` ones."""
        weighted = [layer * weight for layer, weight in zip(layers, self.list_weights(len(layers)), strict=True)]
        return [torch.cat([torch.zeros_like(layer[:1]).expand(spared, -1, -1, -1), layer]) for layer in weighted]

    def list_weights(self, count: int) -> list[float]:
        """The weight of each of ``count`` layers, the outermost first and the middle last."""
        if self.control.mode == "balanced":
            return [self.control.weight] * count
        if isinstance(self.network, T2IAdapter):
            return [self.control.weight * each for each in (1.0,) * (count - 4) + _FALLING_LEVELS[-count:]]
        return [self.control.weight * _FALLING ** (_LAST - index) for index in range(count)]


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

    def find_residuals(self, index: int, inputs: ControlInputs) -> Residuals | None:
        """The sum of what the controls add in step ``index``; None for nothing. Computed once for all passes of a step."""
        active = [each for each in self.running if each.is_active(index, self.steps)]
        if not active:
            return None
        key = len(active), len(inputs.sample), inputs.sample.dtype
        if self._found is None or self._found.key != key or self._found.index != index:
            total = Residuals()
            for each in active:
                total = total.add(each.predict(inputs))
            self._found = _LastResiduals(index, key, total)
        return self._found.residuals
