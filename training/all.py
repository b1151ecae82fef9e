"""The whole recipe in one command: `python -m training.all --device cuda --minutes 12 --out DIR`.

Trains the autoencoder, the diffusion model, the few-step LoRA and the judge, each for its share of the minutes, then exports and
evaluates. Run again, it continues autoencoder, diffusion and judge from their last weights; `--parts` selects the parts to run.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from pathlib import Path

import torch

JUDGE, FEW_STEPS = "judge.safetensors", "few_steps.safetensors"
SHARES = {"autoencoder": 0.15, "diffusion": 0.6, "few_steps": 0.1, "judge": 0.15}
PARTS = (*SHARES, "export", "evaluate")


def list_commands(parts: list[str], minutes: float, out: Path, starter: Path, device: str, trained: str) -> list[list[str]]:
    """The commands of a run in order, each a module of this package with its arguments."""
    total = sum(share for part, share in SHARES.items() if part in parts)
    judge = ["--judge", str(out / JUDGE)] if "judge" in parts or (out / JUDGE).exists() else []
    rows = {
        part: ["--minutes", f"{minutes * share / max(total, share):.2f}", "--out", str(out), "--device", device]
        + ([] if part == "few_steps" else ["--resume"])
        for part, share in SHARES.items()
    }
    rows["export"] = ["--run", str(out), "--to", str(starter), "--trained", trained]
    rows["evaluate"] = [str(starter), *judge]
    made = [[f"training.{part}", *rows[part]] for part in PARTS if part in parts]
    if "evaluate" in parts:
        made.append(["training.evaluate", str(starter), "--sheet", str(out / "samples.png")])
        if "few_steps" in parts or (starter / FEW_STEPS).exists():
            made.append(["training.evaluate", str(starter), *judge, "--few-steps"])
    return made


def describe_hardware(device: str) -> str:
    """The name of the device that the training runs on, for starter.json."""
    return torch.cuda.get_device_name() if device == "cuda" else f"a {platform.machine()} CPU"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, required=True, help="for the parts that train, all together")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--starter", type=Path, help="where the export goes; else DIR/starter")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--trained", help="what starter.json says of the training; else these minutes and what they ran on")
    options = parser.parse_args()
    trained = options.trained or f"{options.minutes:.0f} minutes on {describe_hardware(options.device)}"
    starter = options.starter or options.out / "starter"
    for command in list_commands(options.parts, options.minutes, options.out, starter, options.device, trained):
        print("python -m", *command, flush=True)
        subprocess.run([sys.executable, "-m", *command], check=True)


if __name__ == "__main__":
    main()
