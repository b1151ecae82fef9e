"""Folders of kinds that Easel has no table for: diffusers' own pipeline makes the image, and that is said."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from engine.checkpoints.library.entry import entry_for
from engine.errors import CancelledError, CheckpointError, DoesNotFit, EaselError
from engine.events import Notice, Step
from engine.generate.estimate import Circumstances, Estimate, estimate
from engine.local import Local
from engine.plan import Budget
from engine.plan.hardware.facts import from_text
from engine.plan.learned import LearnedFacts
from engine.plan.pipeline_memory import LAYERS_OFFLOAD, PARTS_OFFLOAD, fit_pipeline
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import CompareNegative, Control, ExecutionPlan, ImageToImage, TextToImage, complete
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import tiny
from ui.common import form
from ui.common.checkpoint_options import CheckpointOptions

ASKED = TextToImage(prompt="a cat", checkpoint="cogview", width=32, height=32, steps=3, seed=5, guidance_scale=4.0)


def cog_view() -> diffusers.CogView3PlusPipeline:
    """A tiny one. Its tokenizer is CLIP's, since its own vocabulary is not at hand."""
    torch.manual_seed(3)
    transformer = diffusers.CogView3PlusTransformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, num_layers=1, attention_head_dim=16, num_attention_heads=2, out_channels=4,
        text_embed_dim=tiny.WIDTH, time_embed_dim=8, condition_dim=2, pos_embed_max_size=8,
    )  # fmt: skip
    t5 = transformers.T5Config(vocab_size=49408, d_model=tiny.WIDTH, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    return diffusers.CogView3PlusPipeline(
        transformer=transformer, scheduler=diffusers.CogVideoXDDIMScheduler(), vae=tiny.vae(),
        text_encoder=transformers.T5EncoderModel(t5), tokenizer=tiny.tokenizer("<|endoftext|>"),
    )  # fmt: skip


def list_numbers(folder: Path) -> list[tuple[str, str]]:
    """Component and name of each whole number in the configurations of a folder."""
    return [
        (path.relative_to(folder).as_posix(), name)
        for path in sorted(folder.glob("*/*config.json"))
        if path.parent.name != "tokenizer"
        for name, value in json.loads(path.read_text("utf-8")).items()
        if isinstance(value, int) and not isinstance(value, bool)
    ]


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    settings = Settings(
        models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs", device="cpu", precision="float32"
    )
    cog_view().save_pretrained(settings.models / "cogview")
    with Local(settings) as easel:
        torch.set_num_threads(1)
        yield easel


def test_the_picture_is_diffusers_own_and_the_record_true(local: Local, tmp_path: Path) -> None:
    asked = dataclasses.replace(ASKED, count=2, controls=(Control(model="lines"),), hires=True, hires_steps=5)
    events = list(local.run("job", asked, Stop()))
    assert any("controls, hires fix" in event.text for event in events if isinstance(event, Notice))
    assert any("only diffusers itself knows" in event.text for event in events if isinstance(event, Notice))
    assert [event.step for event in events if isinstance(event, Step)] == [1, 2, 3, 1, 2, 3]
    _, second = events[-1].results  # type: ignore[attr-defined]
    pipeline = diffusers.CogView3PlusPipeline.from_pretrained(str(tmp_path / "models" / "cogview"), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt="a cat", width=32, height=32, num_inference_steps=3, guidance_scale=4.0,
        generator=torch.Generator().manual_seed(6),
    ).images[0]  # type: ignore[attr-defined]  # fmt: skip
    with Image.open(second.path) as ours:
        assert np.abs(np.asarray(ours.convert("RGB"), int) - np.asarray(theirs, int)).max() <= 1
    record = metadata.read(second.path)
    assert record is not None
    request = record.resolved.request
    assert (request.seed, request.width, request.scheduler) == (6, 32, "CogVideoXDDIMScheduler")
    assert (request.controls, request.hires, request.hires_steps) == ((), False, None), "what had no effect"


def test_stop_is_heard_and_other_uses_are_refused_in_a_sentence(local: Local, tmp_path: Path) -> None:
    stop = Stop()
    with pytest.raises(CancelledError):
        for event in local.run("stopped", ASKED, stop):
            if isinstance(event, Step):
                stop.set()
    assert not list((tmp_path / "outputs").rglob("*.png"))
    picture = Blobs(tmp_path / "data" / "blobs").put(Image.new("RGB", (32, 32), "red"))
    fields = {**dataclasses.asdict(ASKED), "negative_prompt": "dog"}
    for request in (ImageToImage(**fields, init_image=picture), CompareNegative(**fields)):
        with pytest.raises(CheckpointError, match="only does text to image here"):
            local.make(request)


def test_the_page_says_what_it_is(local: Local, tmp_path: Path) -> None:
    entry = entry_for(tmp_path / "models" / "cogview")
    assert entry.family.label == "another pipeline (best effort)" and entry.abilities == ("text to image",)
    checkpoint_options = CheckpointOptions(Settings(models=tmp_path / "models", data=tmp_path / "data"))
    assert checkpoint_options.find("cogview").text_encoders == ()


def test_what_diffusers_cannot_do_is_a_sentence(local: Local) -> None:
    with pytest.raises(CheckpointError, match="diffusers' pipeline for this kind"):
        local.make(dataclasses.replace(ASKED, width=33, height=33))


def test_what_is_left_open_is_the_pipelines_own(local: Local, tmp_path: Path) -> None:
    """Size, steps, guidance and sampler come from the folder and the pipeline, not from Stable Diffusion's defaults."""
    checkpoint = CheckpointOptions(Settings(models=tmp_path / "models", data=tmp_path / "data")).find("cogview")
    asked = form.create_request({**form.BLANK, "prompt": "a cat", "seed": "5", "steps": "2"}, checkpoint)
    assert (asked.width, asked.height, asked.guidance_scale, asked.scheduler) == (None, None, None, None)
    assert form.create_request({**form.BLANK, "prompt": "a cat"}, checkpoint).steps is None
    (result,) = local.make(asked)
    record = metadata.read(result.path)
    assert record is not None
    request = record.resolved.request
    scale = 2 ** (len(tiny.vae().config.block_out_channels) - 1)
    assert (request.width, request.height, request.guidance_scale) == (16 * scale, 16 * scale, 5.0)
    assert form.fill_form(request, checkpoint)["scheduler"] == "", "the field is hidden and has no such choice"


def test_memory_and_time_are_estimated_before_generate_is_pressed(local: Local, tmp_path: Path) -> None:
    entry, hardware = entry_for(tmp_path / "models" / "cogview"), from_text(local.describe().hardware)
    request = complete(ASKED, checkpoint="cogview", width=32, height=32, steps=3, guidance_scale=4.0, scheduler="x", seed=5)
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs", precision="float32")

    def look(available: int) -> Estimate:
        here = dataclasses.replace(hardware, ram_available=available)
        notes = LearnedFacts(settings.data / "learnt.json")
        return estimate(entry, request, Circumstances(settings=settings, hardware=here, notes=notes))

    before = look(8 * 2**30)
    assert before.need > 2**30 and before.free and before.seconds is None and not before.refusal
    assert "choose a smaller checkpoint" in look(2**30).refusal
    local.make(ASKED)
    after = look(8 * 2**30)
    assert after.seconds is not None and after.seconds > 0


def test_a_pipeline_that_does_not_fit_is_offloaded_or_refused_in_a_sentence() -> None:
    weights = {"transformer": 2_000_000_000, "text_encoder": 1_000_000_000, "vae": 100_000_000}
    plan = ExecutionPlan(device="cuda:0", dtypes=dict.fromkeys(weights, "bfloat16"))
    gib = 2**30
    assert fit_pipeline(weights, plan, Budget(device=12 * gib, ram=16 * gib)) == plan
    parts = fit_pipeline(weights, plan, Budget(device=6 * gib, ram=16 * gib))
    layers = fit_pipeline(weights, plan, Budget(device=3 * gib, ram=16 * gib))
    assert (parts.measures, layers.measures) == ((PARTS_OFFLOAD,), (LAYERS_OFFLOAD,))
    assert all("Memory is short" in each.reasons[-1] for each in (parts, layers))
    for device, room in (("cuda:0", Budget(device=3 * gib, ram=4 * gib)), ("cpu", Budget(ram=4 * gib))):
        with pytest.raises(DoesNotFit, match="choose a smaller checkpoint"):
            fit_pipeline(weights, dataclasses.replace(plan, device=device), room)


def test_a_damaged_configuration_is_a_sentence_or_makes_a_picture(local: Local, tmp_path: Path) -> None:
    """0 instead of every whole number of every configuration, one at a time."""
    folder, number = tmp_path / "models" / "cogview", 0
    for where, name in list_numbers(folder):
        path = folder / where
        whole = path.read_text("utf-8")
        number += 1
        path.write_text(json.dumps({**json.loads(whole), name: 0}), "utf-8")
        try:
            local.make(dataclasses.replace(ASKED, steps=1))
        except EaselError as error:
            assert str(error).endswith(".") and "  " not in str(error)
        path.write_text(whole, "utf-8")
    assert number > 20
    assert local.make(dataclasses.replace(ASKED, steps=1))
