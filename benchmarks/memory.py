"""Predicted and measured peak memory on the CPU: random networks of real shapes, each in a separate process.

Measured is the rise of the process's memory above its level with all libraries imported, sampled during the computation.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil

from engine.plan.memory import Layout, Prediction, Work, format_bytes, predict
from engine.requests import ExecutionPlan

HOUSE = Path(__file__).resolve().parent.parent
EVERY = 0.004
"""Seconds between two samples of the process's memory."""

SD1_UNET = {
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
}
SD1_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
SD1_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
HALF_UNET = {**SD1_UNET, "block_out_channels": (160, 320, 640, 640), "cross_attention_dim": 384}
HALF_TEXT = {**SD1_TEXT, "hidden_size": 384, "intermediate_size": 1536}
TINY_UNET = {**SD1_UNET, "block_out_channels": (32, 64, 128, 128), "cross_attention_dim": 128}
TINY_VAE = {**SD1_VAE, "block_out_channels": (32, 64, 128, 128), "norm_num_groups": 16}
TINY_TEXT = {**SD1_TEXT, "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}


@dataclass(frozen=True, kw_only=True)
class Case:
    """The shape of a checkpoint, the image's size, and the precision."""

    unet: Mapping[str, Any] = field(default_factory=lambda: SD1_UNET)
    vae: Mapping[str, Any] = field(default_factory=lambda: SD1_VAE)
    text: Mapping[str, Any] = field(default_factory=lambda: SD1_TEXT)
    dtype: str = "float32"
    side: int = 512
    batch: int = 1
    tile: int = 0
    stored: str = ""
    compiler: str = ""


HALF = Case(unet=HALF_UNET, text=HALF_TEXT)
TINY = Case(unet=TINY_UNET, vae=TINY_VAE, text=TINY_TEXT)

CASES: dict[str, Case] = {
    "tiny, 256": dataclasses.replace(TINY, side=256),
    "tiny, 512, batch of 4": dataclasses.replace(TINY, batch=4),
    "tiny, 768": dataclasses.replace(TINY, side=768),
    "half the width of SD 1.5, 512": HALF,
    "half the width of SD 1.5, 512, bfloat16": dataclasses.replace(HALF, dtype="bfloat16"),
    "half the width of SD 1.5, 512, tiles of 256": dataclasses.replace(HALF, tile=256),
    "half the width of SD 1.5, 512, stored in float16": dataclasses.replace(HALF, stored="float16"),
    "half the width of SD 1.5, 512, by OpenVINO": dataclasses.replace(HALF, compiler="openvino"),
    "half the width of SD 1.5, 768": dataclasses.replace(HALF, side=768),
    "SD 1.5 full size, 256": Case(side=256),
    "SD 1.5 full size, 512": Case(),
    "SD 1.5 full size, 512, by OpenVINO": Case(compiler="openvino"),
    "SD 1.5 full size, 512, bfloat16": Case(dtype="bfloat16"),
    "SD 1.5 full size, 512, stored in 8 bits, tiles of 256": Case(stored="float8_e4m3fn", tile=256),
}


def main(names: list[str] | None = None) -> None:
    """Print predicted and measured peaks of every case, or of those whose name contains one of ``names``."""
    print(f"{'':55} {'predicted':>10} {'measured':>10}  off by   (denoising, decoding: predicted / measured)")
    for name, case in CASES.items():
        if not names or any(part in name for part in names):
            print(f"{name:55} {compare(name, case)}", flush=True)


def compare(name: str, case: Case) -> str:
    """One line of the table: the peak, and each phase."""
    predicted, measured = measure_peaks(name, case)
    highest = max(measured.values())
    phases = ", ".join(f"{format_bytes(predicted.phases[p])} / {format_bytes(m)}" for p, m in measured.items())
    total, off = f"{format_bytes(predicted.peak_ram):>10} {format_bytes(highest):>10}", predicted.peak_ram / highest - 1
    return f"{total}  {off:+6.1%}   ({phases})"


def measure_peaks(name: str, case: Case) -> tuple[Prediction, dict[str, int]]:
    """The prediction for a case, and the bytes measured in each phase by a process that runs it."""
    code = f"from benchmarks.memory import CASES, measure; measure(CASES[{name!r}])"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    written = json.loads(done.stdout.splitlines()[-1])
    predicted = predict(create_work(case, written["parameters"]), create_plan(case))
    return predicted, {phase: written[phase] for phase in ("denoise", "decode")}


def create_plan(case: Case) -> ExecutionPlan:
    """The execution plan of a case."""
    dtypes: dict[str, str] = {name: case.dtype for name in ("unet", "vae", "text_encoder")}
    storage = {"unet": case.stored} if case.stored else {}
    return ExecutionPlan(device="cpu", dtypes=dtypes, vae_tile=case.tile, storage=storage, compiler=case.compiler)


def create_work(case: Case, parameters: Mapping[str, int]) -> Work:
    """The work of a case."""
    layout = Layout.of(case.unet, case.vae)
    return Work(parameters=parameters, width=case.side, height=case.side, batch=case.batch, layout=layout)


def measure(case: Case) -> None:
    """Print, as JSON, the rise of this process's memory in each phase and the size of each component."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.set_grad_enabled(False)
    torch.nn.Linear(64, 64)(torch.ones(1, 64))
    start = read_resident_memory()
    with torch.device("meta"):
        parts: dict[str, Any] = {
            "unet": UNet2DConditionModel(**case.unet),
            "vae": AutoencoderKL(**case.vae),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**case.text)),
        }
    for part in parts.values():
        fill(part, getattr(torch, case.dtype))
    if case.stored:
        parts["unet"].enable_layerwise_casting(getattr(torch, case.stored), getattr(torch, case.dtype))
    if case.tile:
        vae = parts["vae"]
        vae.enable_tiling()
        vae.enable_slicing()
        vae.tile_sample_min_size, vae.tile_latent_min_size = case.tile, case.tile // 8
    with tempfile.TemporaryDirectory() as folder:
        if case.compiler:
            compile_denoiser(parts, Path(folder))
        peaks = {name: measure_peak_while(call) - start for name, call in list_phases(case, parts).items()}
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    print(json.dumps({**peaks, "parameters": counts}))


def compile_denoiser(parts: dict[str, Any], folder: Path) -> None:
    """Let OpenVINO compute the denoiser, from a graph that another process makes, as in Easel. It compiles at the first step."""
    from engine.generate.speed.network_graphs import GraphStore
    from engine.generate.speed.network_kinds import describe_denoiser
    from engine.generate.speed.openvino_compiler import OpenVino
    from engine.stopping import Stop

    unet, store = parts["unet"], GraphStore(folder)
    store.make_later(architecture := describe_denoiser(unet, True))
    store.wait()
    graph = store.find(architecture)
    if graph is None:
        raise RuntimeError("the graph could not be made")
    compiled = OpenVino(unet, graph, folder)
    unet.forward = lambda *args, **_: SimpleNamespace(sample=compiled(Stop(), *args)[0])


def fill(part: Any, dtype: Any) -> None:
    """Give a network on the meta device small random weights: pages that were never written do not occupy memory."""
    import torch

    part.to(dtype).to_empty(device="cpu").eval()
    for weights in part.parameters():
        weights.uniform_(-0.02, 0.02)
    part.to(memory_format=torch.channels_last)


def list_phases(case: Case, parts: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """The phases with the highest memory: one guided step, and decoding."""
    import torch

    dtype = getattr(torch, case.dtype)
    side = case.side // Layout.of(case.unet, case.vae).scale
    latents = torch.zeros(case.batch, 4, side, side, dtype=dtype)
    words = torch.zeros(2 * case.batch, 77, case.unet["cross_attention_dim"], dtype=dtype)
    return {
        "denoise": lambda: parts["unet"](torch.cat([latents, latents]), 500, words).sample,
        "decode": lambda: parts["vae"].decode(latents).sample,
    }


def read_resident_memory() -> int:
    """Bytes of RAM that this process occupies."""
    return psutil.Process().memory_info().rss


def measure_peak_while(call: Callable[[], Any]) -> int:
    """The peak of this process's RAM while ``call`` runs."""
    seen, over = [read_resident_memory()], threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.append(read_resident_memory())
            time.sleep(EVERY)

    watcher = threading.Thread(target=watch)
    watcher.start()
    call()
    over.set()
    watcher.join()
    return max(seen)


if __name__ == "__main__":
    main(sys.argv[1:])
