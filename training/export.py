"""Exports a run as a diffusers folder: `python -m training.export --run DIR --to models/starter`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from training.autoencoder import FILE as AUTOENCODER
from training.autoencoder import load_autoencoder
from training.captions import list_words
from training.diffusion import load_networks
from training.drawing.air import AIR_BY_NAME
from training.drawing.backgrounds import BACKGROUNDS
from training.drawing.palette import COLOURS
from training.drawing.styles import STYLES
from training.drawing.things import THINGS, pluralise
from training.few_steps import FEW_STEPS_DEFAULTS, FILE
from training.noise import create_scheduler
from training.scenes import NATIVE_SIZE
from training.tokenizer import FOLDER as TOKENIZER

DEFAULTS = {
    "steps": 20,
    "guidance_scale": 3.0,
    "sketch_guidance_scale": 1.5,
    "negative_guidance_scale": 4.0,
    "scheduler": "DDIM",
}
LARGEST_FILE = "14MB"


def create_starter_card(trained: str) -> dict[str, object]:
    """The content of starter.json: everything that the starter can draw, and every word in its vocabulary."""
    return {
        "format": 1,
        "native_size": NATIVE_SIZE,
        "things": [{"name": t.name, "words": list(dict.fromkeys([*t.words, *map(pluralise, t.words)]))} for t in THINGS],
        "backgrounds": [{"name": row.name, "words": list(row.words)} for row in (*BACKGROUNDS, *AIR_BY_NAME.values())],
        "styles": [{"name": style.name, "words": list(style.words)} for style in STYLES if style.words],
        "colours": list(COLOURS),
        "words": list_words(),
        "defaults": DEFAULTS,
        "few_steps": FEW_STEPS_DEFAULTS,
        "trained": trained,
    }


def load_run_pipeline(run: Path) -> StableDiffusionPipeline:
    """The pipeline with a run's averaged weights."""
    unet, text_encoder, tokenizer = load_networks(run)
    return StableDiffusionPipeline(
        vae=load_autoencoder(run / AUTOENCODER),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=create_scheduler(),  # type: ignore[arg-type]
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )


def write_starter(pipeline: StableDiffusionPipeline, tokenizer: Path, folder: Path, card: dict[str, object]) -> None:
    """Saves in fp16 to a temporary folder and moves file by file into place, so that a reader never sees half a file.

    `tokenizer` is the folder of the tokenizer's files; `card` is the content of starter.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".starter-") as beside:
        fresh = Path(beside)
        pipeline.to(dtype=torch.float16)
        pipeline.save_pretrained(fresh, safe_serialization=True, max_shard_size=LARGEST_FILE)
        shutil.rmtree(fresh / "tokenizer")
        shutil.copytree(tokenizer, fresh / "tokenizer")
        (fresh / "starter.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        _tidy_configs(fresh)
        _move_over(fresh, folder)


def _tidy_configs(folder: Path) -> None:
    """Removes local paths, and lets a load without a dtype cast the text encoder to fp32 like the other components."""
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        content.pop("_name_or_path", None)
        if path.parent.name == "text_encoder":
            content["dtype"] = "float32"
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _move_over(fresh: Path, folder: Path) -> None:
    written = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    for name in sorted(written, key=lambda name: (name.suffix == ".json", name)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).chmod(0o644)
        os.replace(fresh / name, folder / name)
    for old in folder.rglob("*.safetensors*"):  # shards of an earlier export, and their index
        if old.relative_to(folder) not in written:
            old.unlink()


def export(run: Path, folder: Path, trained: str) -> int:
    """Exports a run, with its few-step LoRA if there is one, and returns the bytes of all weights."""
    write_starter(load_run_pipeline(run), run / TOKENIZER, folder, create_starter_card(trained))
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
