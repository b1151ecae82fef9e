"""Upscalers: the built-in one's speed compared with spandrel's plain call, memory at 25 and 100 megapixels, tile seams.

Images are synthetic. The diffusion upscaler has the published architecture, but narrow and with random weights: seams depend on
how tiles are placed and blended, which is what is measured.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.memory import HOUSE, measure_peak_while, read_resident_memory
from engine.plan.learned import LearnedFacts
from engine.plan.upscale_estimate import UpscaleWork, estimate_upscale
from engine.records.blobs import Blobs
from engine.requests import Upscale
from engine.settings import Settings

ROUNDS = 5
MEGAPIXELS = (25, 100)
SIDE, TILE, STEPS = 128, 32, 3  # side of the image and of a tile for seams, in pixels of the source; denoising steps
NEAR = 8  # pixels of the source beside a border in which tiles are blended


def main(names: list[str] | None = None) -> None:
    """Print all parts, or only those with these names."""
    for name, part in PARTS.items():
        if not names or name in names:
            part()


def draw_photo(width: int, height: int) -> Image.Image:
    """Soft shapes with grain; the same image in each run."""
    dice = np.random.default_rng(1)
    shapes = Image.fromarray(dice.integers(0, 256, (24, 24, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    grain = dice.normal(0, 4, (height, width, 1))
    return Image.fromarray((np.asarray(shapes) + grain).clip(0, 255).astype(np.uint8))


def draw_smooth(side: int) -> Image.Image:
    """A square image in which neighbouring pixels hardly differ."""
    down, across = np.mgrid[0:side, 0:side] / side
    planes = (np.sin(3 * across + down), np.cos(2 * down - across), across * down)
    return Image.fromarray((np.stack(planes, axis=-1) * 100 + 127).clip(0, 255).astype(np.uint8))


def create_settings(folder: str, **changes: Any) -> Settings:
    """Settings with Easel's models, on the CPU."""
    settings = dataclasses.replace(Settings(), data=Path(folder) / "data", outputs=Path(folder) / "outputs", device="cpu")
    return dataclasses.replace(settings, **changes)


def keep_image(settings: Settings, image: Image.Image) -> str:
    """Store ``image`` and return the hash by which a request refers to it."""
    return Blobs(settings.data / "blobs").put(image)


def measure_speed() -> None:
    """512 x 512 to 2048 x 2048, from the request to the file, alternating with spandrel's plain call of the network."""
    import torch
    from spandrel import ModelLoader

    from engine.local import Local

    image = draw_photo(512, 512)
    with tempfile.TemporaryDirectory() as folder:
        settings = create_settings(folder)
        network: Any = ModelLoader().load_from_file(settings.models / "starter-x4" / "clean.safetensors").eval()
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
        asked = Upscale(images=(keep_image(settings, image),))

        @torch.inference_mode()
        def plain() -> None:
            network(pixels)

        with Local(settings) as easel:
            easel.make(asked)
            rounds = [(time_call(plain), time_call(lambda: easel.make(asked))) for _ in range(ROUNDS)]
        threads = torch.get_num_threads()
    theirs, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"512 x 512 to 2048 x 2048 on {threads} threads, median of {ROUNDS}: Easel, file included, {ours:.2f} s "
          f"(fastest {min(each for _, each in rounds):.2f} s); the network alone by spandrel {theirs:.2f} s "
          f"(fastest {min(each for each, _ in rounds):.2f} s); ratio {ours / theirs:.2f}")  # fmt: skip


def time_call(call: Callable[[], object]) -> float:
    """How many seconds ``call`` takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure_memory() -> None:
    """Predicted and measured memory, each size in a separate process."""
    for megapixels in MEGAPIXELS:
        code = f"from benchmarks.upscale import measure_rise; measure_rise({megapixels})"
        done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        told = json.loads(done.stdout.splitlines()[-1])
        print(f"{megapixels} megapixels out: memory rose by {told['rise'] / 2**20:,.0f} MB to {told['peak'] / 2**20:,.0f} MB, "
              f"predicted {told['predicted'] / 2**20:,.0f} MB; {told['seconds']:.0f} s; "
              f"the file has {told['file'] / 1e6:.0f} MB", flush=True)  # fmt: skip


def measure_rise(megapixels: int) -> None:
    """Print, as JSON, the rise of this process's memory in bytes while it upscales to an image of that size."""
    from engine.local import Local

    side = round((megapixels * 1e6) ** 0.5 / 4)
    with tempfile.TemporaryDirectory() as folder:
        settings = create_settings(folder)
        with Local(settings) as easel:
            easel.make(Upscale(images=(keep_image(settings, draw_photo(64, 64)),)))
            asked, start, results = Upscale(images=(keep_image(settings, draw_photo(side, side)),)), read_resident_memory(), []
            seconds = time_call(lambda: results.append(measure_peak_while(lambda: results.extend(easel.make(asked)))))
        result, peak = results
        job = UpscaleWork(width=side, height=side, factor=4, parameters=272_160)
        predicted = estimate_upscale(job, LearnedFacts(settings.data / "learnt.json")).bytes
        print(json.dumps({"rise": peak - start, "peak": peak, "predicted": predicted, "seconds": seconds,
                          "file": result.path.stat().st_size}))  # fmt: skip


def measure_seams() -> None:
    """Compare neighbouring pixels across tile borders with those elsewhere, and tiled images with untiled ones."""
    from engine.local import Local

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "models" / "narrow"
        create_narrow_upscaler().save_pretrained(checkpoint)
        settings = create_settings(folder, models=checkpoint.parent)
        image = keep_image(settings, draw_smooth(SIDE))

        def upscale(tile: int) -> np.ndarray:
            asked = Upscale(images=(image,), upscaler="narrow", prompt="a photo", seed=1, steps=STEPS, tile=tile)
            with Image.open(easel.make(asked)[0].path) as opened:
                return np.asarray(opened, np.float64)

        with Local(settings) as easel:
            whole, tiled = upscale(1024), upscale(TILE)
    borders = [4 * place for place in range(TILE, SIDE, TILE)]
    for name, pixels in (("a whole picture", whole), ("tiles", tiled)):
        at, elsewhere = compute_steps_across(pixels, borders)
        print(f"diffusion upscaler, {name}: mean step {at:.3f} of 255 across the borders of tiles, {elsewhere:.3f} elsewhere, "
              f"{at / elsewhere - 1:+.1%}")  # fmt: skip
    near, far = compute_distances(whole, tiled, borders)
    print(f"tiles against the whole picture: {near:.3f} of 255 apart where tiles meet, {far:.3f} elsewhere, on the mean")


def compute_steps_across(pixels: np.ndarray, borders: list[int]) -> tuple[float, float]:
    """The mean difference of neighbouring pixels across ``borders``, columns and rows alike, and everywhere else."""
    means = [np.abs(np.diff(pixels, axis=axis)).mean(axis=(1 - axis, 2)) for axis in (0, 1)]
    at = np.array([number + 1 in borders for number in range(len(means[0]))])
    return float(np.mean([each[at].mean() for each in means])), float(np.mean([each[~at].mean() for each in means]))


def compute_distances(whole: np.ndarray, tiled: np.ndarray, borders: list[int]) -> tuple[float, float]:
    """The mean difference of two images where tiles are blended, and elsewhere."""
    away = np.abs(whole - tiled).mean(axis=2)
    near = np.array([any(abs(place - border) < 4 * NEAR for border in borders) for place in range(len(away))])
    where = near[:, None] | near[None, :]
    return float(away[where].mean()), float(away[~where].mean())


def create_narrow_upscaler() -> Any:
    """A pipeline of the published architecture at an eighth of the width, with seeded random weights."""
    import diffusers
    import torch
    import transformers

    from engine.checkpoints.families import CONFIGS

    configs = {name: json.loads((CONFIGS / f"{name}_x4.json").read_text("utf-8")) for name in ("unet", "vae", "scheduler")}
    torch.manual_seed(7)
    text = transformers.CLIPTextConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4)
    configs["unet"] |= {"block_out_channels": (32, 64, 64, 128), "cross_attention_dim": 64}
    configs["vae"] |= {"block_out_channels": (32, 64, 128)}
    parts: dict[str, Any] = {
        "vae": diffusers.AutoencoderKL.from_config(configs["vae"]),
        "unet": diffusers.UNet2DConditionModel.from_config(configs["unet"]),
        "scheduler": diffusers.DDIMScheduler.from_config(configs["scheduler"]),
        "text_encoder": transformers.CLIPTextModel(text),
        "tokenizer": transformers.CLIPTokenizer.from_pretrained(str(CONFIGS / "clip_tokenizer"), local_files_only=True),
    }
    return diffusers.StableDiffusionUpscalePipeline(
        **parts, low_res_scheduler=diffusers.DDPMScheduler(), safety_checker=None, feature_extractor=None, watermarker=None
    )


PARTS: dict[str, Callable[[], None]] = {"speed": measure_speed, "seams": measure_seams, "memory": measure_memory}


if __name__ == "__main__":
    main(sys.argv[1:])
