"""OpenVINO computes what torch computes, from graphs that are kept without weights. Skipped where it is not installed."""

from __future__ import annotations

import dataclasses
import errno
import gc
import itertools
import json
import os
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.checkpoints.adapters.additions import NOTHING
from engine.errors import CancelledError
from engine.events import ImageSaved, Notice, Step
from engine.generate import estimate
from engine.generate.speed import network_graphs
from engine.generate.speed.compile import find_store, run_compiled
from engine.generate.speed.network_graphs import GraphStore, nest_inputs
from engine.generate.speed.network_kinds import KINDS, Architecture, describe_decoder, describe_denoiser
from engine.generate.speed.openvino_compiler import OpenVino
from engine.idle.reference_images import create_reference
from engine.local import Local
from engine.records import metadata
from engine.requests import ExecutionPlan, TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import tiny, tiny_sd3

pytest.importorskip("openvino")

ASKED = TextToImage(prompt="a cat", checkpoint="sd1", width=32, height=32, steps=2, seed=1, precision="float32")
OTHERS = ("sd1_inpainting", "sd2_v", "sd2_depth", "x4_upscaler", "xl", "xl_inpainting", "xl_refiner", "lcm")
LORA = "<lora:one:1>"
_jobs = itertools.count()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> GraphStore:
    """One for all tests of single networks: each graph is traced once."""
    return GraphStore(tmp_path_factory.mktemp("graphs"))


def find_or_make(store: GraphStore, architecture: Architecture) -> network_graphs.NetworkGraph:
    return store.find(architecture) or store.make(architecture)


def compute(
    network: torch.nn.Module, run: Any, architecture: Architecture, side: int, rows: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network and its compiled form give for the same inputs."""
    kind, config = KINDS[architecture.kind], json.loads(architecture.config)
    torch.manual_seed(0)
    inputs = {
        n: each[:1].repeat(rows, *[1] * (each.dim() - 1)) if n != "timestep" else each
        for n, each in kind.create_inputs(config, side).items()
    }
    dtype = next(network.parameters()).dtype
    given = {n: each.to(dtype) if each.is_floating_point() and n != "timestep" else each for n, each in inputs.items()}
    with torch.inference_mode():
        plain = network(**nest_inputs(given), **kind.arguments)
        compiled = run(Stop(), **nest_inputs(given), **kind.arguments)
    first = [each[0] if isinstance(each, tuple) else each for each in (plain, compiled)]
    return first[0].float(), first[1]


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / one.norm())


@pytest.mark.parametrize("kind", ["sd1", *(pytest.param(kind, marks=pytest.mark.long) for kind in OTHERS)])
def test_one_graph_of_a_denoiser_serves_every_size_batch_and_precision(kind: str, store: GraphStore) -> None:
    network = tiny.loaded(kind).denoiser.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    for even, sizes in ((True, ((8, 2), (16, 1))), (False, ((9, 1),))):
        architecture = describe_denoiser(network, even)
        run = OpenVino(network, find_or_make(store, architecture), store.folder)
        for side, rows in sizes:
            assert difference(*compute(network, run, architecture, side, rows)) < 1e-4, (kind, side, rows)
    brain = tiny.loaded(kind).denoiser.bfloat16()
    architecture = describe_denoiser(brain, True)
    assert (
        1e-4
        < difference(*compute(brain, OpenVino(brain, find_or_make(store, architecture), store.folder), architecture, 8, 2))
        < 0.03
    )


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.long) for kind in tiny_sd3.NETWORKS])
def test_one_graph_of_a_transformer_serves_every_size_batch_and_precision(kind: str, store: GraphStore) -> None:
    for dtype, most in ((torch.float32, 1e-4), (torch.bfloat16, 0.03)):
        network = tiny_sd3.transformer(kind).eval().to(dtype)
        architecture = describe_denoiser(network, True)
        run = OpenVino(network, find_or_make(store, architecture), store.folder)
        for side, rows in ((8, 2), (10, 1)):
            assert difference(*compute(network, run, architecture, side, rows)) < most, (kind, side, rows)


def test_one_graph_serves_every_checkpoint_of_a_family_and_what_is_merged_into_it(store: GraphStore) -> None:
    one, other = tiny.loaded("sd1").denoiser, tiny.loaded("sd1").denoiser
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.01 * torch.randn(weight.shape))
    architecture = describe_denoiser(one, True)
    graph = find_or_make(store, architecture)
    for network in (one, other):
        run = OpenVino(network, graph, store.folder)
        assert difference(*compute(network, run, architecture, 8, 2)) < 1e-4
        with torch.no_grad():
            for weight in network.parameters():
                weight.add_(0.01 * torch.randn(weight.shape))
        run.expect("a LoRA")
        assert difference(*compute(network, run, architecture, 8, 2)) < 1e-4


def test_the_decoder_is_compiled_for_every_size(store: GraphStore) -> None:
    vae: Any = tiny.loaded("sd1").vae
    architecture = describe_decoder(vae)
    run = OpenVino(vae.decoder, find_or_make(store, architecture), store.folder)
    for side in (8, 9):
        assert difference(*compute(vae.decoder, run, architecture, side, 1)) < 1e-4


def test_what_is_kept_of_a_compiled_network_does_not_keep_it(store: GraphStore) -> None:
    network = tiny.loaded("sd1").denoiser
    run = OpenVino(network, find_or_make(store, describe_denoiser(network, True)), store.folder)
    compute(network, run, describe_denoiser(network, True), 8, 1)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None


def test_a_graph_is_kept_without_weights_and_a_damaged_one_is_made_anew(tmp_path: Path) -> None:
    decoder = describe_decoder(tiny.loaded("sd1").vae)  # pyright: ignore[reportArgumentType]
    made = GraphStore(tmp_path).make(decoder)
    (path,) = tmp_path.iterdir()
    assert GraphStore(tmp_path).find(decoder) == made and len(made.constants) < 2000
    for damage in (path.read_bytes()[: path.stat().st_size // 2], b"", b"PK" + bytes(500), _flip(path.read_bytes())):
        path.write_bytes(damage)
        assert GraphStore(tmp_path).find(decoder) is None and not path.exists()
    assert GraphStore(tmp_path).make(decoder).weights == made.weights


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


def test_graphs_of_other_versions_and_the_oldest_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = describe_decoder(tiny.loaded("sd1").vae)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(network_graphs, "FORMAT", 0)
    GraphStore(tmp_path).make(decoder)
    (older,) = tmp_path.iterdir()
    monkeypatch.undo()
    assert GraphStore(tmp_path).find(decoder) is None
    GraphStore(tmp_path).make(decoder)
    (newer,) = tmp_path.iterdir()
    assert newer != older
    monkeypatch.setattr(network_graphs, "KEPT_GRAPHS", 1)
    GraphStore(tmp_path).make(dataclasses.replace(decoder, even=False))
    (kept,) = tmp_path.iterdir()
    assert kept != newer


def test_where_the_disk_is_full_a_graph_serves_its_process_and_nothing_half_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = describe_decoder(tiny.loaded("sd1").vae)  # pyright: ignore[reportArgumentType]
    store = GraphStore(tmp_path)

    def fill(_file: Any, _name: str, _content: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(network_graphs.zipfile.ZipFile, "writestr", fill)
        graph = store.make(decoder)
    assert store.find(decoder) == graph and not list(tmp_path.iterdir()) and GraphStore(tmp_path).find(decoder) is None
    assert store.make(decoder).weights == graph.weights and GraphStore(tmp_path).find(decoder) is not None


def test_two_easels_share_a_folder_at_once(tmp_path: Path) -> None:
    decoder = describe_decoder(tiny.loaded("sd1").vae)  # pyright: ignore[reportArgumentType]
    graph, stores = network_graphs.trace(decoder), [GraphStore(tmp_path) for _ in range(2)]
    path, ended = tmp_path / network_graphs._name_file(decoder), threading.Event()
    network_graphs._write_graph(graph, path)

    def write() -> None:
        while not ended.is_set():
            network_graphs._write_graph(graph, path)
            stores[0]._sweep()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(GraphStore(tmp_path).find(decoder) == graph for _ in range(50)), "whole at every moment"
    finally:
        ended.set()
        writer.join()
    left = tmp_path / f"left behind{network_graphs.PART}"
    for age, stays in ((0, True), (2 * network_graphs.UNFINISHED_SECONDS, False)):
        left.touch()
        os.utime(left, (time.time() - age, time.time() - age))
        stores[1]._sweep()
        assert left.exists() == stays and path.exists()


@pytest.fixture
def with_openvino(studio: tuple[Local, Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Local, Settings]]:
    """An engine that compiles even tiny checkpoints."""
    local, settings = studio
    monkeypatch.setattr(estimate, "WORTH_COMPILING", 0)
    before, hardware = local._state, local._state.hardware
    extras = frozenset({"openvino"})
    cpu = dataclasses.replace(hardware.cpu, arch="x86_64")
    local._state = dataclasses.replace(before, hardware=dataclasses.replace(hardware, cpu=cpu, extras=extras))
    yield local, settings
    local._state = before


def run_job(local: Local, asked: TextToImage) -> tuple[list[np.ndarray], list[str]]:
    """The images of a job, and what the record of each says computed it."""
    paths = [event.result.path for event in local.run(f"openvino{next(_jobs)}", asked, Stop()) if isinstance(event, ImageSaved)]
    records = [metadata.read(path) for path in paths]
    images = [np.asarray(Image.open(path).convert("RGB"), float) for path in paths]
    return images, [record.resolved.plan.compiler for record in records if record is not None]


def test_torch_draws_until_the_graph_is_there_and_it_changes_over_between_images(
    with_openvino: tuple[Local, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    local, settings = with_openvino
    store, asked, paths = find_store(settings.data), list[Architecture](), list[Path]()
    monkeypatch.setattr(store, "make_later", asked.append)
    for event in local.run("change-over", dataclasses.replace(ASKED, count=2, checkpoint="lcm"), Stop()):
        if isinstance(event, Step) and event.index == 0:
            find_or_make(store, asked[0])  # it comes within the first image
        if isinstance(event, ImageSaved):
            paths.append(event.result.path)
    records = [metadata.read(path) for path in paths]
    assert [record.resolved.plan.compiler for record in records if record is not None] == ["", "openvino"]


def test_no_graph_of_a_small_network_is_made_while_somebody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, plan, asked = tiny.loaded("sd1"), ExecutionPlan(compiler="openvino"), list[Architecture]()
    monkeypatch.setattr(GraphStore, "make_later", lambda _store, architecture: asked.append(architecture))
    request = create_reference("", "", width=64, height=64, steps=1, seed=0)
    for least, made in ((estimate.WORTH_COMPILING, 0), (0, 2)):
        monkeypatch.setattr(estimate, "WORTH_COMPILING", least)
        with run_compiled(loaded, plan, Stop(), tmp_path) as run:
            assert not run.start_image(request, NOTHING)
        assert len(asked) == made


@pytest.mark.long
def test_a_process_of_its_own_makes_the_graph(tmp_path: Path) -> None:
    store, decoder = GraphStore(tmp_path), describe_decoder(tiny.loaded("sd1").vae)  # pyright: ignore[reportArgumentType]
    store.make_later(decoder)
    store.wait()
    assert GraphStore(tmp_path).find(decoder) is not None


def test_pictures_are_torchs_also_with_a_lora_in_other_sizes_and_without_guidance(with_openvino: tuple[Local, Settings]) -> None:
    local, settings = with_openvino
    loaded, store = tiny.loaded("sd1"), find_store(settings.data)
    for architecture in (describe_denoiser(loaded.denoiser, True), describe_decoder(loaded.vae)):  # pyright: ignore[reportArgumentType]
        find_or_make(store, architecture)
    requests = [
        dataclasses.replace(ASKED, prompt=f"a cat {LORA}"), ASKED, dataclasses.replace(ASKED, width=48, height=32),
        dataclasses.replace(ASKED, guidance_scale=1.0),
    ]  # fmt: skip
    compiled = [run_job(local, asked) for asked in requests]
    assert [names for _, names in compiled] == [["openvino"]] * len(requests)
    local._state = dataclasses.replace(local._state, hardware=dataclasses.replace(local._state.hardware, extras=frozenset()))
    for asked, (images, _) in zip(requests, compiled, strict=True):
        plain, names = run_job(local, asked)
        assert names == [""] and np.abs(images[0] - plain[0]).mean() < 1
    assert np.abs(compiled[0][0][0] - compiled[1][0][0]).mean() > 0.1, "the LoRA changes the picture"


def test_a_changed_checkpoint_of_the_same_name_is_computed_anew(with_openvino: tuple[Local, Settings]) -> None:
    local, settings = with_openvino
    store, asked = find_store(settings.data), dataclasses.replace(ASKED, checkpoint="changing")
    images: list[np.ndarray] = []
    for change in (1.0, 0.8):
        made = tiny.pipeline("sd1")
        with torch.no_grad():
            for weight in made.unet.parameters():
                weight.mul_(change)
        for architecture in (describe_denoiser(made.unet, True), describe_decoder(made.vae)):
            find_or_make(store, architecture)
        made.save_pretrained(settings.models / "changing")
        (compiled,), names = run_job(local, asked)
        (plain,), _ = run_job(local, dataclasses.replace(asked, speed="draft"))  # of two steps all are exact, by torch
        assert names == ["openvino"] and np.abs(compiled - plain).mean() < 1
        images.append(compiled)
    assert np.abs(images[0] - images[1]).mean() > 1


def test_stop_is_heard_by_what_openvino_computes(with_openvino: tuple[Local, Settings]) -> None:
    local, settings = with_openvino
    find_or_make(find_store(settings.data), describe_denoiser(tiny.loaded("sd1").denoiser, True))
    stop = Stop()
    with pytest.raises(CancelledError):
        for event in local.run("stopped", dataclasses.replace(ASKED, steps=50), stop):
            if isinstance(event, Step):
                stop.set()


def test_where_openvino_fails_torch_draws_and_it_is_said_once(
    with_openvino: tuple[Local, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    local, settings = with_openvino
    asked = dataclasses.replace(ASKED, checkpoint="sd2_v")
    useless = network_graphs.NetworkGraph(("sample", "timestep", "encoder_hidden_states"), (), b"<net></net>", b"")
    monkeypatch.setattr(find_store(settings.data), "find", lambda _architecture: useless)
    said: list[str] = []
    for _ in range(2):
        for event in local.run(f"openvino{next(_jobs)}", asked, Stop()):
            said += [event.text] if isinstance(event, Notice) else []
            if isinstance(event, ImageSaved):
                record = metadata.read(event.result.path)
                assert record is not None and record.resolved.plan.compiler == ""
    assert len([text for text in said if "OpenVINO could not compute" in text]) == 1
