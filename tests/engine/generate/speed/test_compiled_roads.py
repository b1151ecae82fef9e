"""Every road through the engine, computed by OpenVINO and by torch: the same images, and no graph traced twice."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.events import ImageSaved
from engine.generate import estimate
from engine.generate.speed import network_graphs
from engine.generate.speed.network_graphs import GraphStore
from engine.generate.speed.network_kinds import Architecture
from engine.local import Local
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import CompareNegative, GenerationRequest, ImageToImage, StudyNegative, TextToImage
from engine.settings import Settings
from engine.stopping import Stop

pytest.importorskip("openvino")

SMALL: dict[str, Any] = {"prompt": "a cat", "width": 32, "height": 32, "steps": 2, "seed": 1, "precision": "float32"}
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {}, "another size": {"width": 64}, "two images": {"count": 2}, "no guidance": {"guidance_scale": 1.0},
    "a long prompt": {"prompt": "a cat " * 60}, "a composed prompt": {"prompt": "a cat AND a dog"},
    "a LoRA": {"prompt": "a cat <lora:one:1>"}, "another strength": {"prompt": "a cat <lora:one:0.5>"},
    "an embedding": {"prompt": "zorble"}, "APG": {"guidance": "apg"}, "another sampler": {"scheduler": "Heun"},
}  # fmt: skip
"""What of a request changes, none of which traces a graph again."""

_jobs = itertools.count()


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[Architecture]:
    """The architectures that were traced, in order; each of them as soon as an image asks for it."""
    done, trace, find = list[Architecture](), network_graphs.trace, GraphStore.find

    def note(architecture: Architecture) -> network_graphs.NetworkGraph:
        done.append(architecture)
        return trace(architecture)

    monkeypatch.setattr(network_graphs, "trace", note)
    monkeypatch.setattr(GraphStore, "find", lambda store, architecture: find(store, architecture) or store.make(architecture))
    return done


@pytest.fixture
def engine(studio: tuple[Local, Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """It compiles even tiny checkpoints."""
    monkeypatch.setattr(estimate, "WORTH_COMPILING", 0)
    local, settings = studio
    before = local._state
    yield Engine(local, settings)
    local._state = before


@dataclasses.dataclass(frozen=True)
class Engine:
    """A :class:`Local` that can be told what computes."""

    local: Local
    settings: Settings

    def draw(self, asked: GenerationRequest, extras: frozenset[str]) -> tuple[list[np.ndarray], list[str]]:
        """The images of a job, and what the record of each says computed it."""
        hardware = self.local._state.hardware
        cpu = dataclasses.replace(hardware.cpu, arch="x86_64")
        hardware = dataclasses.replace(hardware, cpu=cpu, extras=extras)
        self.local._state = dataclasses.replace(self.local._state, hardware=hardware, measured={})
        events = list(self.local.run(f"road{next(_jobs)}", asked, Stop()))
        paths = [event.result.path for event in events if isinstance(event, ImageSaved)]
        records = [metadata.read(path) for path in paths]
        images = [np.asarray(Image.open(path).convert("RGB"), float) for path in paths]
        return images, [record.resolved.plan.compiler for record in records if record is not None]

    def compare(self, asked: GenerationRequest) -> None:
        """Assert that OpenVINO computes all images of ``asked``, and as torch does."""
        compiled, names = self.draw(asked, frozenset({"openvino"}))
        plain, by_torch = self.draw(asked, frozenset())
        assert set(names) == {"openvino"} and set(by_torch) == {""}, asked
        assert len(compiled) == len(plain) == len(names)
        for one, other in zip(compiled, plain, strict=True):
            assert np.abs(one - other).mean() < 1, asked


def test_a_changed_size_batch_guidance_prompt_or_lora_traces_nothing_again(engine: Engine, traced: list[Architecture]) -> None:
    first = len(traced)
    for name in ("as it is", "another size", "two images", "no guidance", "a LoRA"):
        change = CHANGES[name]
        _, names = engine.draw(TextToImage(**{**SMALL, "checkpoint": "sd1", **change}), frozenset({"openvino"}))
        assert set(names) == {"openvino"}, name
        first = first or len(traced)
        assert len(traced) == first <= 2, name
    _, names = engine.draw(TextToImage(**{**SMALL, "checkpoint": "sd1", "width": 40}), frozenset({"openvino"}))
    assert set(names) == {"openvino"} and len(traced) == first + 1, "sides that are no multiples of 64 pixels: a second graph"


def list_roads(blobs: Blobs) -> Iterator[GenerationRequest]:
    """A request for each road."""
    image = blobs.put(Image.linear_gradient("L").convert("RGB").resize((32, 32)))
    half = Image.new("L", (32, 32), 0)
    half.paste(255, (0, 0, 16, 32))
    mask = blobs.put(half)
    for change in CHANGES.values():
        yield TextToImage(**{**SMALL, "checkpoint": "sd1", **change})
    for speed in ("balanced", "draft"):
        yield TextToImage(**{**SMALL, "steps": 10, "checkpoint": "sd1", "speed": speed})
    for checkpoint in ("sd2_base", "sd2_v", "xl", "lcm"):
        yield TextToImage(**SMALL, checkpoint=checkpoint)
    yield TextToImage(**SMALL, checkpoint="sd1", vae="another")
    yield TextToImage(**{**SMALL, "steps": 4}, checkpoint="xl", refiner="xl_refiner", refiner_start=0.5)
    yield ImageToImage(**SMALL, checkpoint="sd1", init_image=image)
    yield ImageToImage(**SMALL, checkpoint="sd1", init_image=image, draft=True)
    yield ImageToImage(**SMALL, checkpoint="sd1", init_image=image, strengths=(0.5, 1.0), count=2)
    yield ImageToImage(**SMALL, checkpoint="sd1", init_image=image, mask_image=mask)
    yield ImageToImage(**SMALL, checkpoint="sd1_inpainting", init_image=image, mask_image=mask, only_masked=True)
    yield ImageToImage(**SMALL, checkpoint="sd2_depth", init_image=image)
    yield CompareNegative(**SMALL, checkpoint="sd1", negative_prompt="dog")
    yield StudyNegative(**SMALL, checkpoint="sd1", negative_prompt="dog, car")


@pytest.mark.long
def test_openvino_draws_what_torch_draws_on_every_road(engine: Engine, traced: list[Architecture]) -> None:
    for asked in list_roads(Blobs(engine.settings.data / "blobs")):
        engine.compare(asked)
    assert len(traced) == len(set(traced))


@pytest.mark.long
def test_what_is_not_compiled_is_computed_by_torch(engine: Engine, traced: list[Architecture]) -> None:
    """As docs/plan.md says."""
    images, names = engine.draw(TextToImage(**SMALL, checkpoint="sd1", guidance="pag"), frozenset({"openvino"}))
    assert images and set(names) == {""} and not traced
