"""Upscaling in tiles: the result is that of the whole image, and short memory halves the tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from spandrel import MAIN_REGISTRY, ImageModelDescriptor
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SPAN import SPAN

from engine.errors import DoesNotFit
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.upscale.networks import Lanczos, Network, WithTransparency
from engine.generate.upscale.tiles import Axis, TileUpscaler, upscale_in_tiles

NETWORKS = {
    "compact": lambda: Compact(num_feat=8, num_conv=2, upscale=4),
    "ESRGAN": lambda: ESRGAN(num_filters=8, num_blocks=1, scale=2, plus=True),
    "SPAN": lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=12, upscale=4),
}


def picture(width: int, height: int) -> torch.Tensor:
    """Soft random colours, 3 x H x W, uint8."""
    noise = np.random.default_rng(3).integers(0, 256, (height // 5, width // 5, 3), dtype=np.uint8)
    soft = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(soft)).permute(2, 0, 1)


def rows(source: torch.Tensor, upscaler: TileUpscaler, size: tuple[int, int], side: int) -> np.ndarray:
    return np.concatenate([done.rows for done in upscale_in_tiles(source, upscaler, size, side) if done.rows is not None])


def network(name: str) -> Network:
    torch.manual_seed(2)
    descriptor = MAIN_REGISTRY.load(NETWORKS[name]().state_dict())
    assert isinstance(descriptor, ImageModelDescriptor)
    return Network(descriptor.eval(), PrecisionGuard())


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_of_a_convolutional_network_equal_the_whole(name: str) -> None:
    upscaler, source = network(name), picture(150, 130)
    size = source.shape[2] * upscaler.scale, source.shape[1] * upscaler.scale
    with torch.inference_mode():
        whole = upscaler.network(source[None].float() / 255)[0].mul(255).round().permute(1, 2, 0).numpy()
    tiled = rows(source, upscaler, size, 48)
    assert tiled.shape == whole.shape
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert whole.std() > 5, "a network that says nothing would prove nothing"


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.37, 4.0])
def test_any_factor_is_reached_as_by_one_resize_of_the_whole(factor: float) -> None:
    source = picture(201, 133)
    size = round(201 * factor), round(133 * factor)
    planes = [Image.fromarray(p.float().numpy()).resize(size, Image.Resampling.LANCZOS) for p in source]
    whole = np.rint(np.stack([np.asarray(p) for p in planes], axis=-1)).clip(0, 255)
    assert np.abs(rows(source, Lanczos(), size, 40).astype(int) - whole).max() <= 1


@dataclass
class Hungry:
    """Leaves tiles as they are, and has no memory for more than ``most`` pixels."""

    most: int
    scale: int = 1
    around: int = 2
    feather: int = 3
    multiple: int = 1

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        if tile.shape[1] * tile.shape[2] > self.most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return tile.float()


def test_short_memory_halves_the_tiles_and_the_picture_is_the_same() -> None:
    source, halved = picture(300, 260), []
    done = list(upscale_in_tiles(source, Hungry(most=90 * 90), (300, 260), 256, halved.append))
    assert halved == [128, 64]
    assert np.array_equal(np.concatenate([d.rows for d in done if d.rows is not None]), source.permute(1, 2, 0).numpy())
    assert done[-1].number == done[-1].tiles


def test_no_memory_for_the_smallest_tile_is_said() -> None:
    with pytest.raises(DoesNotFit, match="Close other programs"):
        rows(picture(100, 100), Hungry(most=10), (100, 100), 64)


def test_other_errors_are_not_taken_for_short_memory() -> None:
    class Broken(Lanczos):
        def __call__(self, tile: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        rows(picture(50, 50), Broken(), (50, 50), 64)


@pytest.mark.parametrize(("length", "side", "multiple"), [(1, 64, 8), (7, 32, 1), (1000, 64, 8), (333, 100, 1)])
def test_neighbours_share_each_pixel_between_them(length: int, side: int, multiple: int) -> None:
    axis = Axis(length, 4 * length, Hungry(most=0, scale=4, feather=6, multiple=multiple))
    total = np.zeros(4 * length)
    for span in axis.spans(0, side):
        total[slice(*span.place)] += span.weights(axis.feather)
    assert np.allclose(total, 1)


def test_transparency_is_upscaled_as_its_own_plane() -> None:
    upscaler, source = network("compact"), picture(64, 64)
    alpha = torch.zeros(1, 64, 64, dtype=torch.uint8)
    alpha[:, :, 40:] = 255
    both = torch.cat([source, alpha])
    plain, clear = rows(source, upscaler, (256, 256), 48), rows(both, WithTransparency(upscaler), (256, 256), 48)
    assert np.array_equal(clear[..., :3], plain)
    assert (clear[:, :148, 3] == 0).all() and (clear[:, 172:, 3] == 255).all()
    assert set(np.unique(clear[:, 152:168, 3])) - {0, 255}, "the edge is soft"
