"""``python -m benchmarks [NAME ...]``: run the named benchmarks, or all of them."""

from __future__ import annotations

import argparse
import importlib

NAMES = {
    "start": "from `python app.py` to the first page, compared with a bare Gradio app",
    "first_picture": "from the click to the file, with the starter: the engine alone, through the queue, and in a browser",
    "kernels": "rates of matrix products, convolutions and attention by library and precision, beside the arithmetic limit",
    "stop": "from Stop to the end of the job, with a full-size checkpoint",
    "page": "the page in a browser: until it can be used, compared with a bare Gradio page, and in an empty and a full studio",
    "history": "the History tab with 10,000 pictures",
    "live": "from the end of a stroke to the repaint on the screen, with the starter",
    "load": "50 pages that watch 200 jobs, and many, slow and rude clients of the API: the page's answer time beside that of an "
    "idle one, and memory",
    "over_http": "a starter picture over HTTP compared with the same job submitted in Python",
    "diffusers": "plain diffusers, Easel and Easel without OpenVINO, with a full-size checkpoint, beside the arithmetic limit",
    "controls": "what a control adds to a step, compared with diffusers' own pipeline",
    "speeds": "how much the Speed setting saves, and how far its pictures are from exact ones",
    "loading": "a full-size checkpoint: loading compared with reading its bytes, memory, switches, the first picture after one",
    "memory": "predicted and measured peak memory",
    "gpu": "on a graphics card: compared with plain diffusers, compiled, in batches, in little memory, XL too",
    "self_test": "how far the self-test's pictures are from float32's in each precision, and its result on this computer",
    "upscale": "the built-in upscaler compared with spandrel's plain call, tile seams, memory at 25 and 100 megapixels",
}
"""Module -> what it measures."""

LONG = ("diffusers",)
"""Modules with a ``main_long``."""


def main() -> None:
    """Run the chosen benchmarks, each under its own heading."""
    listing = "\n".join(f"  {name}: {what}" for name, what in NAMES.items())
    flags = argparse.ArgumentParser(
        prog="python -m benchmarks",
        epilog=f"benchmarks:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flags.add_argument("names", nargs="*", metavar="NAME", choices=[*NAMES, []], default=[])
    flags.add_argument("--long", action="store_true", help=f"what takes an hour too: XL in {' and '.join(LONG)}")
    chosen = flags.parse_args()
    for name in chosen.names or NAMES:
        print(f"\n== {name}: {NAMES[name]}", flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        module.main_long() if chosen.long and name in LONG else module.main()


if __name__ == "__main__":
    main()
