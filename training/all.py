"""Everything in one go: draw, train both parts, train the judge, export, evaluate.

`python -m training.all --device cpu --minutes 120 --out DIR` shares the minutes out: a fifth for the autoencoder, three quarters
for the diffusion, the rest for the judge. Each part goes on from its last weights when the command is given again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

SHARES = {"autoencoder": 0.2, "diffusion": 0.75, "classifier": 0.05}


def commands(minutes: float, out: Path, starter: Path, members: int) -> list[list[str]]:
    """The commands of a whole run, in order; each is a module of this package with its arguments."""
    run = ["--out", str(out), "--members", str(members), "--resume"]
    length = {name: ["--minutes", f"{minutes * share:.1f}"] for name, share in SHARES.items()}
    return [
        ["training.autoencoder", *length["autoencoder"], *run],
        ["training.diffusion", *length["diffusion"], *run],
        ["training.classifier", *length["classifier"]],
        ["training.export", "--run", str(out), "--to", str(starter), "--trained", f"{minutes:.0f} minutes on a CPU"],
        ["training.evaluate", str(starter), "--sheet", str(out / "samples.png")],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu",), default="cpu", help="this version trains on the CPU")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--starter", type=Path, default=Path("models/starter"))
    parser.add_argument("--members", type=int, default=2, help="training processes, one core each")
    options = parser.parse_args()
    for command in commands(options.minutes, options.out, options.starter, options.members):
        print("python -m", *command, flush=True)
        subprocess.run([sys.executable, "-m", *command], check=True)


if __name__ == "__main__":
    main()
