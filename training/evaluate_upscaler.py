"""PSNR and SSIM of the built-in upscaler on photographs, compared with bicubic and Lanczos.

The photographs are the colour ones inside scikit-image's wheel; they are used for evaluation only. PSNR and SSIM are computed on
the luma of BT.601 without the four pixels at each border, as in papers on super-resolution.

    python -m training.evaluate_upscaler models/starter-x4
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import skimage
import torch
from PIL import Image
from safetensors.torch import load_file
from skimage.metrics import structural_similarity
from spandrel.architectures.Compact import Compact

from training.degrade import CLEAN, FACTOR, Degradation, degrade
from training.upscaler import create_network, to_tensor

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
"""Each is used whole, cropped from its top left corner to multiples of four pixels."""

DEGRADATIONS: Mapping[str, Degradation] = {
    "clean": CLEAN,
    "blur 1.5, noise 4, JPEG 85": Degradation(1.5, 4, 85),
    "blur 2, noise 8, JPEG 70": Degradation(2, 8, 70),
}

Upscale = Callable[[Image.Image], np.ndarray]


def load_photographs(folder: Path) -> dict[str, Image.Image]:
    """File name -> RGB image."""
    opened = {name: Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS}
    return {n: p.crop((0, 0, p.width // FACTOR * FACTOR, p.height // FACTOR * FACTOR)) for n, p in opened.items()}


def luma(pixels: np.ndarray) -> np.ndarray:
    """BT.601 luma, 16 to 235, of RGB pixels 0 to 255, without four pixels at each border."""
    return (16 + pixels.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255)[4:-4, 4:-4]


def psnr(made: np.ndarray, true: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels, on luma."""
    return float(10 * np.log10(255**2 / np.mean((luma(made) - luma(true)) ** 2)))


def ssim(made: np.ndarray, true: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004) with their Gaussian window, on luma."""
    likeness: Any = structural_similarity(
        luma(made), luma(true), data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return float(likeness)


def create_pillow_upscale(kernel: Image.Resampling) -> Upscale:
    """Upscaling by one of Pillow's filters."""
    return lambda small: np.asarray(small.resize((small.width * FACTOR, small.height * FACTOR), kernel))


def create_network_upscale(folder: Path, cleaning: float) -> Upscale:
    """Upscaling by the network in ``folder``; ``cleaning``, 0 to 1, interpolates its two sets of weights."""
    clean, other = (load_file(folder / f"{name}.safetensors") for name in ("clean", "cleaning"))
    network: Compact = create_network().eval()
    network.load_state_dict({name: torch.lerp(clean[name].float(), other[name].float(), cleaning) for name in clean})

    def upscale(small: Image.Image) -> np.ndarray:
        with torch.inference_mode():
            made = network(to_tensor([small]))[0]
        return made.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()

    return upscale


def format_table(title: str, degradation: Degradation, images: Mapping[str, Image.Image], ways: Mapping[str, Upscale]) -> str:
    """PSNR / SSIM of each method on each photograph, as a Markdown table. The noise is seeded."""
    lines = [f"{title}:", "", "| | " + " | ".join(ways) + " |", "|---" * (len(ways) + 1) + "|"]
    all_scores = []
    for name, image in images.items():
        small, true = degrade(image, degradation, np.random.default_rng(1)), np.asarray(image)
        made = [upscale(small) for upscale in ways.values()]
        scores = [(psnr(each, true), ssim(each, true)) for each in made]
        all_scores.append(scores)
        lines.append(_format_row(f"{Path(name).stem} {image.width} x {image.height}", scores))
    return "\n".join([*lines, _format_row("mean", np.mean(all_scores, axis=0).tolist()), ""])


def _format_row(name: str, scores: list) -> str:
    return f"| {name} | " + " | ".join(f"{decibels:.2f} / {similarity:.4f}" for decibels, similarity in scores) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photographs", type=Path, default=Path(skimage.__file__).parent / "data")
    options = parser.parse_args()
    ways = {
        "bicubic": create_pillow_upscale(Image.Resampling.BICUBIC),
        "Lanczos": create_pillow_upscale(Image.Resampling.LANCZOS),
        **{f"starter-x4, cleaning {share:g}": create_network_upscale(options.folder, share) for share in (0.0, 0.5, 1.0)},
    }
    print("PSNR in dB / SSIM, on luma; x4\n")
    for title, degradation in DEGRADATIONS.items():
        print(format_table(title, degradation, load_photographs(options.photographs), ways))


if __name__ == "__main__":
    main()
