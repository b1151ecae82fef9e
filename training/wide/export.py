"""Puts a wide run's weights where diffusers can load them: `python -m training.wide.export --run DIR --to FOLDER`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from training.diffusion import new_scheduler
from training.export import write_starter
from training.tokenizer import write_tokenizer
from training.wide.autoencoder import load_autoencoder
from training.wide.captions import known_words
from training.wide.diffusion import load_networks
from training.wide.drawing.air import AIR_BY_NAME
from training.wide.drawing.backgrounds import BACKGROUNDS
from training.wide.drawing.palette import COLOURS
from training.wide.drawing.styles import STYLES
from training.wide.drawing.things import THINGS, plural
from training.wide.few_steps import FEW_STEPS_DEFAULTS, FILE
from training.wide.networks import MAX_LENGTH
from training.wide.scenes import NATIVE_SIZE

DEFAULTS = {
    "steps": 20,
    "guidance_scale": 3.0,
    "sketch_guidance_scale": 1.5,
    "negative_guidance_scale": 6.0,
    "scheduler": "DDIM",
}


def starter_card(trained: str) -> dict[str, object]:
    """What starter.json says: everything that the starter can draw, and every word that it knows."""
    return {
        "format": 1,
        "native_size": NATIVE_SIZE,
        "things": [{"name": t.name, "words": list(dict.fromkeys([*t.words, *map(plural, t.words)]))} for t in THINGS],
        "backgrounds": [{"name": row.name, "words": list(row.words)} for row in (*BACKGROUNDS, *AIR_BY_NAME.values())],
        "styles": [{"name": style.name, "words": list(style.words)} for style in STYLES if style.words],
        "colours": list(COLOURS),
        "words": known_words(),
        "defaults": DEFAULTS,
        "few_steps": FEW_STEPS_DEFAULTS,
        "trained": trained,
    }


def pipeline_from_run(run: Path) -> StableDiffusionPipeline:
    """The pipeline of a run's averaged weights."""
    unet, text_encoder, tokenizer = load_networks(run / "diffusion.pt", run)
    return StableDiffusionPipeline(
        vae=load_autoencoder(run / "autoencoder.pt"),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=new_scheduler(),  # type: ignore[arg-type]
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )


def write_words(folder: Path) -> None:
    """Writes the tokenizer."""
    write_tokenizer(folder, known_words(), MAX_LENGTH)


def export(run: Path, folder: Path, trained: str) -> int:
    """Exports a run, with its few-step LoRA if it has one, and returns the bytes of all weights."""
    write_starter(pipeline_from_run(run), folder, starter_card(trained), write_words)
    if (run / FILE).exists():
        shutil.copyfile(run / FILE, folder / FILE)
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--trained", default="", help="on what and how long it was trained, for starter.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{options.to}: {export(options.run, options.to, options.trained) / 1e6:.1f} MB of weights")


if __name__ == "__main__":
    main()
