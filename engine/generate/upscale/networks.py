"""Upscalers for one tile: Lanczos, and every image network that spandrel loads. Stable Diffusion's is in :mod:`.diffusion`."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from engine.checkpoints.load.image_network import ImageNetwork
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.upscale.tiles import TileUpscaler

Tensors = tuple[torch.Tensor, ...]

FARTHEST = 32
"""Context around a tile in pixels, at most. Deep networks have larger receptive fields, but the outer part hardly matters."""


class Lanczos:
    """Leaves tiles as they are: the resize that follows every upscaler does the work (Lanczos with 3 lobes)."""

    scale, around, feather, multiple = 1, 0, 0, 1

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        """The tile itself."""
        return tile.float()


class Network:
    """A network, with the guard that runs it again in full precision if its numbers overflow.

    ``seed``: some networks add noise, the same for every tile and every run. ``channels_last``: the memory format of its input.
    """

    feather, multiple = 4, 1

    def __init__(self, network: ImageNetwork, guard: PrecisionGuard, seed: int = 0, *, channels_last: bool = True) -> None:
        self.network, self._guard, self._seed = network, guard, seed
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.scale, self.around = network.scale, min(FARTHEST, receptive_radius(network.model))

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        """Red, green and blue of the upscaled tile."""
        device = next(self.network.model.parameters()).device
        pixels = tile.to(device, torch.float32).div(255)[None]
        if self.network.input_channels == 1:
            pixels = pixels.transpose(0, 1)

        def call(dtype: torch.dtype) -> torch.Tensor:
            own = pixels.to(dtype, memory_format=self._format, copy=True)  # some networks modify their input
            torch.manual_seed(self._seed)
            return self.network(own).float()

        # Only this device: asking others for their generators would take memory there.
        with torch.inference_mode(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            large = self._guard.run("upscaler", self.network.model, call)
        return large.flatten(0, 1)[:3].mul(255).cpu()


class WithTransparency:
    """Upscales colours by ``colours``, and the source's last plane, its transparency, by Lanczos: opaque parts stay opaque."""

    def __init__(self, colours: TileUpscaler) -> None:
        self._colours = colours
        self.scale, self.around, self.feather, self.multiple = colours.scale, colours.around, colours.feather, colours.multiple

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        """The upscaled colours, and under them the upscaled transparency."""
        alpha = Image.fromarray(tile[-1].float().numpy())
        large = alpha.resize((alpha.width * self.scale, alpha.height * self.scale), Image.Resampling.LANCZOS)
        return torch.cat([self._colours(tile[:-1]), torch.from_numpy(np.array(large))[None]])


def receptive_radius(network: torch.nn.Module) -> int:
    """How far, in pixels, a result can depend on its surroundings: no convolution's step is counted short."""
    convolutions = (m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    return sum(max(k // 2 * d for k, d in zip(m.kernel_size, m.dilation, strict=True)) for m in convolutions)


def bytes_per_pixel(upscaler: Network) -> int:
    """Bytes of memory that a pixel of a tile needs: its largest tensor in the network, several times, and its result."""
    largest = 0
    side = 32

    def measure(
        _module: torch.nn.Module, _given: tuple[torch.Tensor, ...], made: torch.Tensor | tuple[torch.Tensor, ...]
    ) -> None:
        nonlocal largest
        if isinstance(made, torch.Tensor):
            largest = max(largest, made.nbytes)

    hooks = [module.register_forward_hook(measure) for module in upscaler.network.model.modules()]
    try:
        upscaler(torch.zeros(3, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    return _ALIVE * largest // side**2 + 3 * 4 * 2 * upscaler.scale**2


_ALIVE = 5
"""Tensors of the largest size that live at the same time, the libraries' own copies counted."""
