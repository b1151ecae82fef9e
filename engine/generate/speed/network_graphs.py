"""Graphs of networks for OpenVINO, without weights: one for each architecture, traced once and kept on disk.

A graph takes every weight as an input, so that one serves all checkpoints of a family, whatever is merged into them. Its shapes
are open, so that it serves all sizes and batches. Tracing needs neither a checkpoint nor memory for one: the network is made on
torch's meta device, its weights stand for zeros of no size, and the example image is small.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from engine.compat.forward import own_forward
from engine.errors import EaselError
from engine.generate.speed.network_kinds import EVEN, KINDS, Architecture
from engine.plan.hardware.system import lower_priority
from engine.settings import HOUSE
from engine.storage.atomic_files import PART, make_private_folder, replace_file

if TYPE_CHECKING:
    from openvino import Model  # type: ignore[import-not-found]

KEPT_GRAPHS = 24
"""Graphs on disk, of about 0.1 MB each; the ones that were used longest ago are removed."""

UNFINISHED_SECONDS = 3600.0
"""A file that is being written for longer was left behind by a crash."""

FORMAT = 1
"""Counts changes to this module by which older graphs become useless."""

_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from engine.generate.speed.network_graphs import main; main(*sys.argv[2:])"
)


@dataclass(frozen=True)
class NetworkGraph:
    """A network's computation. Its parameters are ``inputs``, then the ``weights`` by their names in torch's module; ``xml`` and
    ``constants`` are OpenVINO's format."""

    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    xml: bytes
    constants: bytes


class GraphStore:
    """The graphs in ``folder``. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[Architecture, NetworkGraph] = {}
        self._asked: set[Architecture] = set()
        self._maker: subprocess.Popen[bytes] | None = None

    def find(self, architecture: Architecture) -> NetworkGraph | None:
        """The graph of ``architecture``, None if there is none yet; a damaged file counts as none and is removed."""
        if architecture not in self._read:
            path = self.folder / _name_file(architecture)
            try:
                self._read[architecture] = _read_graph(path)
                path.touch()
            except FileNotFoundError:
                return None
            except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile):
                with suppress(OSError):
                    path.unlink()
                return None
        return self._read[architecture]

    def count(self) -> int:
        """How many graphs are kept."""
        return sum(1 for _ in self.folder.glob("*.zip"))

    def make_later(self, architecture: Architecture) -> None:
        """Have a process of low priority make the graph: one at a time, and once in the life of this store."""
        if architecture in self._asked or (self._maker is not None and self._maker.poll() is None):
            return
        self._asked.add(architecture)
        text = json.dumps(asdict(architecture))
        self._maker = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(HOUSE), str(self.folder), text])

    def wait(self) -> None:
        """Wait for the process that makes a graph."""
        if self._maker is not None:
            self._maker.wait()

    def make(self, architecture: Architecture) -> NetworkGraph:
        """Trace ``architecture`` now and keep its graph; where it cannot be written, in the memory of this process alone."""
        graph = self._read[architecture] = trace(architecture)
        with suppress(OSError, EaselError):
            make_private_folder(self.folder)
            _write_graph(graph, self.folder / _name_file(architecture))
            self._sweep()
        return graph

    def _sweep(self) -> None:
        """Remove graphs of other versions, the oldest of more than :data:`KEPT_GRAPHS`, and what was never finished."""
        files = sorted(self.folder.glob("*.zip"), key=_read_age)
        current = [path for path in files if path.name.startswith(_digest_versions())]
        unfinished = {path for path in self.folder.glob(f"*{PART}") if _read_age(path) > UNFINISHED_SECONDS}
        for path in {*files} - {*current[:KEPT_GRAPHS]} | unfinished:
            with suppress(OSError):
                path.unlink()


def _read_age(path: Path) -> float:
    """Seconds since ``path`` was used; infinite for one that another process has just removed."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return math.inf


def _write_graph(graph: NetworkGraph, path: Path) -> None:
    with replace_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("names.json", json.dumps({"inputs": graph.inputs, "weights": graph.weights}))
        file.writestr("graph.xml", graph.xml)
        file.writestr("constants.bin", graph.constants)


def _read_graph(path: Path) -> NetworkGraph:
    """Raises what :meth:`GraphStore.find` handles; each part of the file has a checksum."""
    with zipfile.ZipFile(path) as file:
        names = json.loads(file.read("names.json"))
        return NetworkGraph(tuple(names["inputs"]), tuple(names["weights"]), file.read("graph.xml"), file.read("constants.bin"))


def _name_file(architecture: Architecture) -> str:
    """The name begins with a digest of the libraries' versions."""
    digest = hashlib.sha256(f"{architecture.config} {architecture.even}".encode()).hexdigest()
    return f"{_digest_versions()}-{architecture.kind}-{digest[:16]}.zip"


def _digest_versions() -> str:
    text = " ".join([str(FORMAT), *(version(name) for name in ("openvino", "torch", "diffusers"))])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def main(folder: str, architecture: str) -> None:
    """Make a graph, in a process of its own that gives way to others."""
    lower_priority()
    torch.set_num_threads(1)
    GraphStore(Path(folder)).make(Architecture(**json.loads(architecture)))


def trace(architecture: Architecture) -> NetworkGraph:
    """The graph of ``architecture``, made from its configuration alone."""
    import openvino  # type: ignore[import-not-found]

    kind, config = KINDS[architecture.kind], json.loads(architecture.config)
    with torch.device("meta"):
        network = kind.create(config).eval()
    examples = kind.create_inputs(config, 2 * EVEN if architecture.even else 2 * EVEN + 1)
    weights = dict(list_weights(network))
    forward = _Forward(network, kind.arguments, tuple(examples), tuple(weights))
    zeros = [torch.zeros((), dtype=weight.dtype).expand(weight.shape) for weight in weights.values()]
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that it may take for fixed
        # Traced here: OpenVINO's own call of the tracer copies the inputs, and the weights are among them.
        inputs = (*examples.values(), *zeros)
        traced = torch.jit.trace(lambda *tensors: forward(*tensors), inputs, check_trace=False, strict=False)
        model = openvino.convert_model(traced)
    return NetworkGraph(tuple(examples), tuple(weights), *_serialize(model))


def _serialize(model: Model) -> tuple[bytes, bytes]:
    import tempfile

    import openvino  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        openvino.serialize(model, path)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def list_weights(network: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Every parameter and buffer by its name."""
    return [*network.named_parameters(), *network.named_buffers()]


class _Forward:
    """A forward pass whose weights are inputs. Gives the network's first tensor."""

    def __init__(
        self, network: torch.nn.Module, arguments: Mapping[str, bool], inputs: tuple[str, ...], weights: tuple[str, ...]
    ) -> None:
        self._network, self._arguments, self._inputs, self._weights = network, arguments, inputs, weights

    def __call__(self, *tensors: torch.Tensor) -> torch.Tensor:
        """``tensors`` are the inputs, then the weights."""
        named = dict(zip((*self._inputs, *self._weights), tensors, strict=True))
        network = self._network
        for name in self._weights:
            owner, _, attribute = name.rpartition(".")
            module = network.get_submodule(owner)
            delattr(module, attribute)
            setattr(module, attribute, named[name])
        output = own_forward(network)(**nest_inputs({name: named[name] for name in self._inputs}), **self._arguments)
        return output[0] if isinstance(output, tuple) else output


def nest_inputs(named: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | dict[str, torch.Tensor]]:
    """Arguments of a network from its inputs; those named ``argument/key`` become a dict."""
    nested: dict[str, torch.Tensor | dict[str, torch.Tensor]] = {name: each for name, each in named.items() if "/" not in name}
    for argument in {name.partition("/")[0] for name in named if "/" in name}:
        nested[argument] = {name.partition("/")[2]: each for name, each in named.items() if name.startswith(f"{argument}/")}
    return nested
