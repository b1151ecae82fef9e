"""WD14 taggers: a confidence for each of thousands of tags, from an ONNX file (github.com/SmilingWolf; the input is as in the
author's own space: a white square, bicubic, blue first, values from 0 to 255).

They run on the processor, by OpenVINO where it is set up and by onnxruntime elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.checkpoints.captioners.onnx_file import read_onnx
from engine.checkpoints.captioners.tag_list import ImageTag, find_tag_file, read_tags, write_tags
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan
from engine.stopping import Stop
from engine.storage.items import translate_any_error

NO_RUNTIME = (
    "“{name}” is an ONNX file, and nothing here can run it. Close Easel, run  ./launch.sh --extra onnx --setup-only  in its "
    "folder (launch.bat on Windows), and start it again; or use BLIP or Florence-2 instead."
)

_STOP_INTERVAL = 50
"""Milliseconds between looks at Stop while OpenVINO computes."""

_Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Runtime:
    """A library that runs ONNX files: ``open`` makes what computes a model's output for its input."""

    name: str
    open: Callable[[Path, Stop], Callable[[_Array], _Array]]


@dataclass(frozen=True)
class Tagger:
    """A tagger in memory; ``side`` is that of its input in pixels."""

    tags: tuple[ImageTag, ...]
    side: int
    score: Callable[[_Array], _Array]
    plan: ExecutionPlan
    environment: Mapping[str, str]
    notices: tuple[str, ...] = ()

    def describe(self, image: Image.Image, threshold: float) -> str:
        """The tags whose confidence is at least ``threshold``. Raises CancelledError."""
        scores = self.score(prepare_input(image, self.side)).reshape(-1)
        return write_tags(self.tags, [float(score) for score in scores], threshold)


def open_tagger(entry: CheckpointEntry, stop: Stop) -> Tagger:
    """The tagger in an ONNX file. Raises CheckpointError if it cannot be run, and CancelledError soon after ``stop`` is set."""
    runtime = next((each for each in RUNTIMES if find_spec(each.name)), None)
    if runtime is None:
        raise CheckpointError(NO_RUNTIME.format(name=entry.name))
    stop.raise_if_set()
    with translate_any_error(CheckpointError, entry.path.name):
        listed = find_tag_file(entry.path)
        tags = read_tags(listed) if listed is not None else ()
        side = read_onnx(entry.path).inputs[0].shape[1]
        score = runtime.open(entry.path, stop)
    reasons = (f"{runtime.name} runs ONNX files, on the processor.",)
    plan = ExecutionPlan(reasons=reasons, compiler=runtime.name)
    return Tagger(tags, side, score, plan, {runtime.name: version(runtime.name)})


def prepare_input(image: Image.Image, side: int) -> _Array:
    """An RGB image as the networks were trained to see it: 1 x side x side x 3."""
    longer = max(image.size)
    square = Image.new("RGB", (longer, longer), "white")
    square.paste(image, ((longer - image.width) // 2, (longer - image.height) // 2))
    pixels = np.asarray(square.resize((side, side), Image.Resampling.BICUBIC), np.float32)
    return np.ascontiguousarray(pixels[None, :, :, ::-1])


def _open_openvino(path: Path, stop: Stop) -> Callable[[_Array], _Array]:
    import openvino

    core = openvino.Core()
    model = core.read_model(str(path))
    model.reshape({model.input(0): [1, *(side.get_length() for side in list(model.input(0).partial_shape)[1:])]})
    request = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()

    def score(pixels: _Array) -> _Array:
        stop.raise_if_set()
        request.set_input_tensor(openvino.Tensor(pixels))
        request.start_async()
        while not request.wait_for(_STOP_INTERVAL):
            if stop.is_set():
                request.cancel()
                stop.raise_if_set()
        return np.array(request.get_output_tensor(0).data, np.float32, copy=True)

    return score


def _open_onnxruntime(path: Path, stop: Stop) -> Callable[[_Array], _Array]:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def score(pixels: _Array) -> _Array:
        stop.raise_if_set()
        return np.asarray(session.run(None, {name: pixels})[0], np.float32)

    return score


RUNTIMES: tuple[Runtime, ...] = (Runtime("openvino", _open_openvino), Runtime("onnxruntime", _open_onnxruntime))
"""In order of preference."""
