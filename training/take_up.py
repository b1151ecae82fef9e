"""Starts a run from an exported starter, to continue training when only its weights are left.

`python -m training.take_up models/starter --run DIR` writes DIR/autoencoder.pt, DIR/diffusion.pt and the tokenizer; then each
trainer's `--resume` continues from them with a new optimiser, a warm-up and a clock of its own.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline

from training import autoencoder, diffusion
from training.common import save_state
from training.networks import Sizes
from training.parts import create_reader
from training.tokenizer import FOLDER


def read_sizes(pipeline: Any) -> Sizes:
    """The sizes of a starter's networks."""
    vae, text = pipeline.vae.config, pipeline.text_encoder.config
    unet = tuple(pipeline.unet.config.block_out_channels)
    return Sizes(tuple(vae.block_out_channels), unet, text.hidden_size, text.num_hidden_layers, vae.sample_size)


def take_up(folder: Path, run: Path) -> None:
    """Writes the states of a run at step 0 with the weights of the starter in `folder`, of this recipe's sizes and vocabulary."""
    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(folder), local_files_only=True)
    same: dict[str, object] = {"sizes": read_sizes(pipeline).write(), "step": 0}
    image = {"average": pipeline.vae.state_dict(), "scale": pipeline.vae.config.scaling_factor}
    words = {"unet": pipeline.unet.state_dict(), "text_encoder": pipeline.text_encoder.state_dict()}
    words["reader"] = create_reader(read_sizes(pipeline)).state_dict()  # not exported, so it is trained anew
    save_state({**same, **image}, run / autoencoder.FILE)
    save_state({**same, **words}, run / diffusion.FILE)
    shutil.copytree(folder / "tokenizer", run / FOLDER, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    options = parser.parse_args()
    take_up(options.folder, options.run)
    print(f"{options.run}: continue with --resume")


if __name__ == "__main__":
    main()
