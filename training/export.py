"""Puts trained weights where diffusers can load them: `python -m training.export --run DIR --to models/starter`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from training.autoencoder import load_autoencoder, new_autoencoder
from training.backgrounds import BACKGROUNDS
from training.captions import known_words, plural
from training.common import load_state
from training.diffusion import SIZES, networks_of, new_scheduler
from training.scenes import NATIVE_SIZE
from training.things import COLOURS, THINGS
from training.tokenizer import load_tokenizer, write_tokenizer

DEFAULTS = {
    "steps": 20,
    "guidance_scale": 5.0,
    "sketch_guidance_scale": 1.5,
    "negative_guidance_scale": 6.0,
    "scheduler": "DDIM",
}
LARGEST_FILE = "14MB"


def starter_card(trained: str) -> dict[str, object]:
    """What starter.json says: the things, backgrounds, colours and words that the starter knows."""
    return {
        "format": 1,
        "native_size": NATIVE_SIZE,
        "things": [{"name": t.name, "words": list(dict.fromkeys([*t.words, *map(plural, t.words)]))} for t in THINGS],
        "backgrounds": [{"name": b.name, "words": list(b.words)} for b in BACKGROUNDS],
        "colours": list(COLOURS),
        "words": known_words(),
        "defaults": DEFAULTS,
        "trained": trained,
    }


def pipeline_from_run(run: Path) -> StableDiffusionPipeline:
    """The pipeline of a run's averaged weights; parts that are not trained yet are untrained."""
    tokenizer_folder = run / "tokenizer"
    write_tokenizer(tokenizer_folder)
    tokenizer = load_tokenizer(tokenizer_folder)
    state = load_state(run / "diffusion.pt") if (run / "diffusion.pt").exists() else None
    unet, text_encoder = networks_of(state["sizes"] if state else SIZES, tokenizer)  # type: ignore[arg-type]
    if state:
        for network, weights in zip((unet, text_encoder), state["averages"], strict=True):  # type: ignore[arg-type]
            network.load_state_dict(weights)
    return StableDiffusionPipeline(
        vae=_autoencoder(run),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=new_scheduler(),  # type: ignore[arg-type]
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )


def _autoencoder(run: Path) -> AutoencoderKL:
    path = run / "autoencoder.pt"
    return load_autoencoder(path) if path.exists() else new_autoencoder()


def write_starter(
    pipeline: StableDiffusionPipeline,
    folder: Path,
    card: dict[str, object],
    write_words: Callable[[Path], None] = write_tokenizer,
) -> None:
    """Saves as fp16 beside `folder` and moves file by file into place: a reader never sees half a file.

    `card` is what starter.json says; `write_words` writes the tokenizer into a folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".starter-") as beside:
        fresh = Path(beside)
        pipeline.to(dtype=torch.float16)
        pipeline.save_pretrained(fresh, safe_serialization=True, max_shard_size=LARGEST_FILE)
        shutil.rmtree(fresh / "tokenizer")
        write_words(fresh / "tokenizer")
        (fresh / "starter.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        _tidy_configs(fresh)
        _move_over(fresh, folder)


def _tidy_configs(folder: Path) -> None:
    """Takes out paths of this disk, and lets a plain load widen the text encoder to fp32 like the rest."""
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
    for old in folder.rglob("*.safetensors"):  # weights of an export with other shards
        if old.relative_to(folder) not in written:
            old.unlink()


def export(run: Path, folder: Path, trained: str) -> int:
    """Exports a run and returns the bytes of its weights."""
    write_starter(pipeline_from_run(run), folder, starter_card(trained))
    shutil.rmtree(run / "tokenizer", ignore_errors=True)
    write_tokenizer(run / "tokenizer")
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path("models/starter"))
    parser.add_argument("--trained", default="on a CPU", help="how it was trained, for starter.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = export(options.run, options.to, options.trained)
    print(f"{options.to}: {size / 1e6:.1f} MB of weights")


if __name__ == "__main__":
    main()
