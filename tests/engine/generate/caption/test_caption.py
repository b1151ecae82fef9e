"""Images put into words by tiny random networks: through the engine, the worker and the journal, and stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from engine.checkpoints.captioners.find import NO_CAPTIONER
from engine.errors import CancelledError, CheckpointError, RequestError
from engine.events import Described, Event, Finished, Loading
from engine.generate.caption import tagger, writer
from engine.local import Local
from engine.records.blobs import Blobs
from engine.requests import DescribeImage, ResolvedDescribeImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.tiny_captioners import create_blip, create_florence, create_tagger


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    create_blip(folder / "blip-tiny")
    create_florence(folder / "florence-tiny")
    create_tagger(folder / "wd-tiny" / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def settings(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    place = tmp_path_factory.mktemp("home")
    return Settings(models=models, outputs=place / "outputs", data=place / "data", device="cpu", precision="float32")


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Local]:
    with Local(settings) as local:
        yield local


@pytest.fixture(scope="module")
def red(settings: Settings) -> str:
    return Blobs(settings.data / "blobs").put(Image.new("RGB", (40, 20), "red"))


def describe(engine: Local, request: DescribeImage, stop: Stop | None = None) -> tuple[Described, list[Event]]:
    events = list(engine.run("j1", request, stop or Stop()))
    assert isinstance(events[-1], Finished) and events[-1].results == ()
    return next(event for event in events if isinstance(event, Described)), events


@pytest.mark.parametrize("name", ["blip-tiny", "florence-tiny"])
def test_a_writer_says_the_same_of_the_same_picture(engine: Local, red: str, name: str) -> None:
    request = DescribeImage(image=red, captioner=name)
    described, events = describe(engine, request)
    assert described.words and "[" not in described.words, "special tokens are no words"
    assert describe(engine, request)[0].words == described.words
    assert [event.checkpoint for event in events if isinstance(event, Loading)] == [name, name]
    resolved = described.resolved
    assert isinstance(resolved.request, ResolvedDescribeImage) and resolved.request.captioner == name
    assert resolved.checkpoint_hash and resolved.plan.device == "cpu" and resolved.plan.dtype("captioner") == "float32"


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_tagger_names_what_it_is_sure_of(engine: Local, red: str, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(runtime)
    monkeypatch.setattr(tagger, "RUNTIMES", tuple(each for each in tagger.RUNTIMES if each.name == runtime))
    described, _ = describe(engine, DescribeImage(image=red, captioner="wd-tiny/model"))
    assert described.words == "miku \\(singer\\), ^_^, outdoors", "red alone, spaces for underscores but for faces, no weights"
    assert runtime in described.resolved.environment and described.resolved.plan.compiler == runtime
    sure, _ = describe(engine, DescribeImage(image=red, captioner="wd-tiny/model", threshold=1.0))
    assert sure.words == "", "half of the square is white"


def test_without_a_library_for_onnx_the_command_that_sets_one_up_is_named(
    engine: Local, red: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger, "RUNTIMES", ())
    with pytest.raises(CheckpointError, match="--extra onnx"):
        describe(engine, DescribeImage(image=red, captioner="wd-tiny/model"))


def test_without_a_captioner_a_sentence_says_what_to_get(tmp_path: Path, settings: Settings, red: str) -> None:
    empty = Settings(models=tmp_path / "empty", outputs=settings.outputs, data=settings.data, device="cpu")
    with Local(empty) as engine, pytest.raises(CheckpointError) as refused:
        describe(engine, DescribeImage(image=red))
    assert str(refused.value) == NO_CAPTIONER


@pytest.mark.parametrize("name", ["blip-tiny", "florence-tiny", "wd-tiny/model"])
def test_stop_ends_a_description(engine: Local, red: str, name: str) -> None:
    stop = Stop()
    events = engine.run("j2", DescribeImage(image=red, captioner=name), stop)
    while not (isinstance(event := next(events), Loading) and "looks at" in event.text):
        pass
    stop.set()
    with pytest.raises(CancelledError):
        list(events)


def test_no_picture_is_a_sentence(engine: Local) -> None:
    with pytest.raises(RequestError, match="no picture to describe"):
        describe(engine, DescribeImage(image=""))


def test_missing_weights_are_a_sentence(tmp_path: Path, settings: Settings, red: str) -> None:
    folder = create_blip(tmp_path / "models" / "blip")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    other = Settings(models=tmp_path / "models", outputs=settings.outputs, data=settings.data, device="cpu")
    with Local(other) as engine, pytest.raises(CheckpointError, match="of its weights are missing"):
        describe(engine, DescribeImage(image=red, captioner="blip"))


def test_no_switch_of_a_configuration_reaches_transformers() -> None:
    plain = {"model_type": "blip"}
    assert writer._keep_settings({**plain, "auto_map": {"AutoModel": "evil.Model"}, "quantization_config": {}}) == plain
