"""Loading a checkpoint of Stable Diffusion 1.5's full size: time compared with reading its bytes, memory, memory after ten
switches, and the first image after a switch.

The files are generated with random weights under the original names. Each measurement runs in a separate process.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).resolve().parent.parent
ROUNDS = 5
SWITCHES = 10
SIDE, STEPS, IMAGE_ROUNDS = 256, 4, 3
EVERY = 0.004
"""Seconds between two samples of the process's memory."""

FILES: Mapping[str, str] = {"full.safetensors": "float32", "half.safetensors": "float16", "half.ckpt": "float16"}
"""File -> the precision that its weights are stored in."""

LOADS: tuple[tuple[str, str], ...] = (
    ("half.safetensors", "bfloat16"), ("half.safetensors", "float32"), ("half.ckpt", "bfloat16"),
    ("full.safetensors", "bfloat16"),
)  # fmt: skip
"""File and the precision that it is loaded in."""


def main() -> None:
    """Print the seconds of warm loads compared with reading and converting, memory peaks, and memory after ten switches."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_process("write", str(folder))
        for file in FILES:
            size = (folder / file).stat().st_size / 1e9
            print(f"{file}: {size:.2f} GB, {FILES[file]}; {time_identifying(folder / file)}", flush=True)
        for file, dtype in LOADS:
            print(f"{file} to {dtype}: {time_loading(folder / file, dtype)}; {weigh_memory(folder / file, dtype)}", flush=True)
        print(time_switching(folder / "half.safetensors"), flush=True)
        print(time_first_image(folder / "half.safetensors"))


def time_identifying(path: Path) -> str:
    """How long it takes, warm, to identify a file."""
    found = in_process("identify", str(path))
    wall, busy = (1000 * found[which] for which in ("seconds", "busy"))
    return f"identified as {found['as']} in {wall:.1f} ms, {busy:.1f} ms of them on the processor (medians of {ROUNDS}, warm)"


def time_loading(path: Path, dtype: str) -> str:
    """A warm load alternating with reading and converting the file's bytes."""
    pairs = in_process("time", str(path), dtype)["pairs"]
    load, read = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    return f"load {load:.2f} s, reading and converting {read:.2f} s, ratio {ratio:.2f} (medians of {ROUNDS} pairs, warm)"


def weigh_memory(path: Path, dtype: str) -> str:
    """The peak of anonymous memory while a file loads, as a multiple of its weights."""
    found = in_process("weigh", str(path), dtype)
    return f"peak of anonymous memory {found['peak'] / found['weights']:.3f} times the {found['weights'] / 1e9:.2f} GB of weights"


def time_switching(path: Path) -> str:
    """The memory of a process after two and after ten switches between two checkpoints, of which only one fits in memory."""
    after = in_process("switch", str(path))["after"]
    two, last = after[1], after[-1]
    return f"anonymous memory after 2 switches {two / 1e9:.2f} GB, after {SWITCHES} {last / 1e9:.2f} GB: {last / two - 1:+.1%}"


def time_first_image(path: Path) -> str:
    """The first image after a switch of checkpoints compared with one without a switch, from the call to the file."""
    columns = zip(*in_process("picture", str(path))["rounds"], strict=True)
    same, loaded, cached = (statistics.median(column) for column in columns)
    return (
        f"a picture of {SIDE} x {SIDE} in {STEPS} steps: {same:.2f} s; after a switch to a checkpoint on disk {loaded:.2f} s, "
        f"to one in memory {cached:.2f} s (medians of {IMAGE_ROUNDS}, warm files)"
    )


def in_process(task: str, *arguments: str) -> dict[str, Any]:
    """The output of a task that runs in a separate process."""
    command = [sys.executable, "-m", "benchmarks.loading", task, *arguments]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# Tasks that run in separate processes


def _write(folder: str) -> dict[str, Any]:
    """Write the files: random weights under the names of the original Stable Diffusion 1 code."""
    import torch
    from safetensors.torch import save_file

    from engine.checkpoints.families import BY_NAME, bundled_config
    from engine.checkpoints.load.components import build

    weights = {}
    for component, naming in BY_NAME["sd1"].key_mapping.items():
        config = bundled_config(BY_NAME["sd1"], component)
        for name, tensor in build(BY_NAME["sd1"].classes[component], config).state_dict().items():
            weights[naming(name, config).names[0]] = torch.empty(tensor.shape).uniform_(-0.02, 0.02)
    save_file(weights, Path(folder) / "full.safetensors")
    weights = {name: tensor.half() for name, tensor in weights.items()}
    save_file(weights, Path(folder) / "half.safetensors")
    torch.save({"state_dict": weights}, Path(folder) / "half.ckpt")
    return {}


def _identify(path: str) -> dict[str, Any]:
    from engine.checkpoints.identify.identify import identify

    wall = [measure_seconds(lambda: identify(Path(path))) for _ in range(ROUNDS + 1)][1:]
    busy = [measure_seconds(lambda: identify(Path(path)), time.process_time) for _ in range(ROUNDS)]
    found = identify(Path(path)).family
    return {"as": found, "seconds": statistics.median(wall), "busy": statistics.median(busy)}


def _time(path: str, dtype: str) -> dict[str, Any]:
    load = _loader(path, dtype)
    pairs = [(measure_seconds(load), measure_seconds(lambda: read_and_convert(Path(path), dtype))) for _ in range(ROUNDS + 1)]
    return {"pairs": pairs[1:]}


def _weigh(path: str, dtype: str) -> dict[str, Any]:
    from engine.errors import CancelledError

    load = _loader(path, dtype)
    with contextlib.suppress(CancelledError):
        load(lambda: True)  # imports what libraries import lazily, and leaves no weights in freed memory
    before, seen, over = read_anonymous_memory(), [], threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.append(read_anonymous_memory())
            time.sleep(EVERY)

    watcher = threading.Thread(target=watch)
    watcher.start()
    loaded = load()
    over.set()
    watcher.join()
    return {"peak": max(seen) - before, "weights": loaded.bytes}


def _switch(path: str) -> dict[str, Any]:
    import dataclasses

    from engine.checkpoints.cache import CheckpointCache
    from engine.checkpoints.library.entry import entry_for

    one = entry_for(Path(path))
    other = dataclasses.replace(one, name="other", path=Path(path).with_name("other.safetensors"))
    other.path.hardlink_to(one.path)
    cache, after = CheckpointCache(1), []
    for turn in range(SWITCHES):
        with cache.lease((one, other)[turn % 2], _plan("bfloat16")):
            after.append(read_anonymous_memory())
    assert [event.kind for event in cache.events].count("evicted") == SWITCHES - 1
    return {"after": after}


def _image(path: str) -> dict[str, Any]:
    """Rounds of three images: with the last checkpoint, with one that is not loaded yet, with the first one again."""
    import dataclasses
    import tempfile

    from engine import Local, Settings, TextToImage

    asked = TextToImage(prompt="a cat", width=SIDE, height=SIDE, steps=STEPS, seed=0)
    one, other = Path(path), Path(path).with_name("other.safetensors")
    other.unlink(missing_ok=True)
    other.hardlink_to(one)

    def round_of(folder: Path) -> list[float]:
        settings = dataclasses.replace(Settings(), models=one.parent, data=folder / "data", outputs=folder / "outputs")
        with Local(settings) as easel:
            easel.make(dataclasses.replace(asked, checkpoint=one.stem))
            return [
                measure_seconds(lambda name=file.stem: easel.make(dataclasses.replace(asked, checkpoint=name)))
                for file in (one, other, one)
            ]

    with tempfile.TemporaryDirectory() as folder:
        return {"rounds": [round_of(Path(folder) / str(number)) for number in range(IMAGE_ROUNDS)]}


def _loader(path: str, dtype: str) -> Callable[..., Any]:
    from engine.checkpoints.library.entry import entry_for
    from engine.checkpoints.load.checkpoint import load_checkpoint
    from engine.checkpoints.load.components import never_cancelled

    return lambda cancelled=never_cancelled: load_checkpoint(entry_for(Path(path)), _plan(dtype), cancelled)


def _plan(dtype: str) -> Any:
    from engine.requests import ExecutionPlan

    return ExecutionPlan(dtypes=dict.fromkeys(("unet", "vae", "text_encoder"), dtype))


def read_and_convert(path: Path, dtype: str) -> list[Any]:
    """Every tensor of a file, read and converted: the lower bound for any loader."""
    import torch

    from engine.checkpoints.files.headers import read_header

    tensors = sorted(read_header(path).tensors.values(), key=lambda tensor: tensor.offset)
    buffer = memoryview(bytearray(max(tensor.bytes for tensor in tensors)))
    found = []
    with path.open("rb", buffering=0) as file:
        for tensor in tensors:
            file.seek(tensor.offset)
            file.readinto(buffer[: tensor.bytes])
            raw = torch.frombuffer(buffer, dtype=getattr(torch, tensor.dtype), count=tensor.count)
            found.append(raw.to(getattr(torch, dtype), copy=True))
    return found


def measure_seconds(call: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long ``call`` takes by a clock."""
    began = clock()
    call()
    return clock() - began


def read_anonymous_memory() -> int:
    """Bytes of anonymous memory of this process on Linux; elsewhere all of its memory."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
    except OSError:
        import psutil

        return psutil.Process().memory_info().rss


_TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "write": _write, "identify": _identify, "time": _time, "weigh": _weigh, "switch": _switch, "picture": _image,
}  # fmt: skip

if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_TASKS[sys.argv[1]](*sys.argv[2:])))
    else:
        main()
