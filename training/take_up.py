"""Starts a run from an exported starter, so that training goes on where only its weights are left.

`python -m training.take_up models/starter --run DIR` writes DIR/autoencoder.pt and DIR/diffusion.pt; then each trainer's
`--resume` goes on from them with a fresh optimiser, a warm-up and a clock of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from diffusers import StableDiffusionPipeline

from training import autoencoder, diffusion
from training.common import save_state


def take_up(folder: Path, run: Path) -> None:
    """Writes the states of a run at step 0, holding the weights of the starter in `folder`."""
    pipeline = StableDiffusionPipeline.from_pretrained(str(folder), local_files_only=True)
    vae, unet, text = pipeline.vae, pipeline.unet, pipeline.text_encoder
    picture: dict[str, object] = {
        "optimizer": None,
        "channels": list(vae.config.block_out_channels),
        "step": 0,
        "weights": vae.state_dict(),
        "average": vae.state_dict(),
        "scale": vae.config.scaling_factor,
    }
    words: dict[str, object] = {
        "optimizer": None,
        "sizes": {
            "channels": list(unet.config.block_out_channels),
            "text_width": text.config.hidden_size,
            "text_layers": text.config.num_hidden_layers,
        },
        "step": 0,
        "seconds": 0.0,
        "unet": unet.state_dict(),
        "text_encoder": text.state_dict(),
        "averages": [unet.state_dict(), text.state_dict()],
    }
    save_state(picture, run / autoencoder.FILE)
    save_state(words, run / diffusion.FILE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    options = parser.parse_args()
    take_up(options.folder, options.run)
    print(f"{options.run}: go on with --resume")


if __name__ == "__main__":
    main()
