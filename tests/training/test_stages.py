"""Every stage for a few steps at tiny size: it learns, goes on, and ends as a folder that diffusers loads."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, LCMScheduler
from PIL import Image

from tests.training.tiny import SIZES, autoencoder_run, diffusion_run, pool_of, source
from training.all import PARTS, list_commands
from training.autoencoder import AutoencoderTraining, ImagePool, create_initial_network, image_loss
from training.common import Clock, load_state
from training.diffusion import DiffusionTraining
from training.drawers import CHUNK, WORDINGS, Drawers, InProcessDrawer
from training.evaluate import (
    compute_frechet_distance,
    draw,
    find_nearest_distances,
    load_few_step_pipeline,
    load_pipeline,
    save_contact_sheet,
    score,
)
from training.export import export
from training.few_steps import Distillation, apply_boundary, create_initial_student, split_prediction
from training.judge import CELLS, THING_NAMES, Judge, JudgeTraining, detect_things, load_judge, measure_accuracy, save_judge
from training.machine import run_processes, to_images
from training.networks import create_autoencoder
from training.noise import create_scheduler
from training.take_up import take_up
from training.tokenizer import FOLDER, MAX_LENGTH
from training.trials import Trial


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def learns(train: Callable[[], object], has_learnt: Callable[[], bool], most: int) -> bool:
    """Whether it has learnt within ``most`` steps."""
    for _ in range(most):
        train()
        if has_learnt():
            return True
    return False


def test_both_trainings_go_on_from_their_last_weights(tmp_path: Path) -> None:
    assert autoencoder_run(tmp_path, 1).step == 1
    assert autoencoder_run(tmp_path, 2).step == 3
    assert diffusion_run(tmp_path, 1).step == 1
    before = load_state(tmp_path / "diffusion.pt")["unet"]
    assert diffusion_run(tmp_path, 2).step == 3
    after = load_state(tmp_path / "diffusion.pt")["unet"]
    moved = [float((after[name] - before[name]).abs().max()) for name in before]  # type: ignore[index, union-attr]
    assert 0 < max(moved) < 0.05


@pytest.mark.long
def test_the_networks_learn_one_chunk(tmp_path: Path) -> None:
    training = autoencoder_run(tmp_path, 1)
    words = DiffusionTraining(tmp_path, Clock(1, steps=60), SIZES, "cpu")
    pool = pool_of(tmp_path)
    words.take(pool, [source(tmp_path).next()])

    def error() -> float:
        torch.manual_seed(5)
        with torch.no_grad():
            return float(words.loss(pool, 16))

    bound = 0.95 * error()
    assert learns(lambda: words.train_step(lambda: words.learn(pool, 8), 2.0), lambda: error() < bound, most=25)
    assert training.step == 1


@pytest.mark.long
def test_the_autoencoder_starts_from_components_and_learns_more(tmp_path: Path) -> None:
    training = AutoencoderTraining(tmp_path, Clock(1, steps=60), SIZES, "cpu", create_initial_network(SIZES, "cpu"))
    pool, chunk = ImagePool(SIZES.side, "cpu"), InProcessDrawer(SIZES.side, SIZES.side, 0).next()
    pool.add(chunk)
    pictures, masks = to_images(chunk.images, "cpu"), chunk.masks[:, None].float()

    def loss(network: Any) -> float:
        with torch.no_grad():
            return float(image_loss(network(pictures).sample, pictures, masks))

    nothing, components = loss(create_autoencoder(SIZES)), loss(training.network)
    assert components < 0.5 * nothing
    assert learns(lambda: training.train_step(pool, 8), lambda: loss(training.network) < 0.95 * components, most=60)


def test_a_decoder_that_is_trained_alone_leaves_the_latents_as_they_are(tmp_path: Path) -> None:
    before = autoencoder_run(tmp_path, 1).average.weights()
    assert autoencoder_run(tmp_path, 2, frozen_encoder=True).step == 3
    after = load_state(tmp_path / "autoencoder.pt")["average"]
    moved = {name for name in before if not torch.equal(before[name], after[name])}  # type: ignore[index]
    assert moved and all(name.startswith(("decoder.", "post_quant_conv.")) for name in moved)


def test_processes_that_train_together_share_their_weights(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    torch.nn.init.zeros_(network.weight)
    run_processes(add_one, argparse.Namespace(members=2), [network])
    assert torch.equal(network.weight, torch.full((2, 2), 3.0))
    run_processes(add_one, argparse.Namespace(members=1), [network])
    assert torch.equal(network.weight, torch.full((2, 2), 4.0))


def add_one(rank: int, _options: argparse.Namespace, networks: Sequence[torch.nn.Module]) -> None:
    """Each process adds its number and one."""
    with torch.no_grad():
        networks[0].weight += rank + 1  # type: ignore[operator]


def test_a_run_is_exported_with_its_few_steps_and_draws(tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "starter"
    assert export(tiny_run, folder, "a test") == sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    card = json.loads((folder / "starter.json").read_text(encoding="utf-8"))
    assert card["native_size"] == 256 and len(card["things"]) >= 300 and len(card["styles"]) >= 10
    assert {"cat", "cats", "watercolor", "beach", "night", *card["colours"]} <= set(card["words"])
    named = [word for table in ("things", "backgrounds", "styles") for row in card[table] for word in row["words"]]
    assert {part for word in named for part in word.split()} <= set(card["words"])
    assert not any(str(tiny_run) in path.read_text(encoding="utf-8") for path in folder.rglob("*.json"))
    full, quick = load_pipeline(folder), load_few_step_pipeline(folder)
    assert isinstance(full.scheduler, DDIMScheduler) and isinstance(quick.scheduler, LCMScheduler)
    assert quick.get_active_adapters()
    assert {full.unet.dtype, full.vae.dtype, full.text_encoder.dtype} == {torch.float32}
    for pipeline, steps, guidance in ((full, 2, 3.0), (quick, 2, 1.0)):
        (picture,) = draw(pipeline, ["a cat on the beach"], 1, steps, guidance)
        assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8 and picture.std() > 0
    for scheduler in (EulerDiscreteScheduler, DPMSolverMultistepScheduler):
        full.scheduler = scheduler.from_config(full.scheduler.config)
        (picture,) = draw(full, ["a cat on the beach"], 1, 2, 3.0)
        assert picture.std() > 0
    save_contact_sheet([picture] * 9, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (8 * 64, 2 * 64)


def test_an_export_leaves_no_weights_of_another(tiny_run: Path, tmp_path: Path) -> None:
    for stale in ("unet/old-00001-of-00002.safetensors", "unet/old.safetensors.index.json", "vae/old.safetensors"):
        (tmp_path / stale).parent.mkdir(exist_ok=True)
        (tmp_path / stale).write_text("{}")
    (tmp_path / "README.md").write_text("kept")
    export(tiny_run, tmp_path, "a test")
    assert not list(tmp_path.rglob("old*")) and (tmp_path / "README.md").exists()


def test_training_goes_on_from_an_exported_starter(tiny_run: Path, tmp_path: Path) -> None:
    export(tiny_run, tmp_path / "starter", "a test")
    take_up(tmp_path / "starter", tmp_path / "run")
    assert load_state(tmp_path / "run" / "diffusion.pt")["sizes"] == SIZES.write()
    assert autoencoder_run(tmp_path / "run", 1).step == diffusion_run(tmp_path / "run", 1).step == 1
    for file, part, name in (
        ("diffusion.pt", "unet", "conv_in.weight"),
        ("autoencoder.pt", "average", "encoder.conv_out.weight"),
    ):
        before, after = (load_state(folder / file)[part][name] for folder in (tiny_run, tmp_path / "run"))  # type: ignore[index]
        assert 0 < (after - before).abs().max() < 0.01
    export(tmp_path / "run", tmp_path / "again", "a test")
    words = [(tmp_path / name / "tokenizer" / "vocab.json").read_bytes() for name in ("starter", "again")]
    assert words[0] == words[1]


def test_the_few_step_function_says_its_input_where_nothing_is_noisy() -> None:
    signal, noisy = create_scheduler().alphas_cumprod, torch.randn(2, 3, 4, 4)
    clean = torch.randn(2, 3, 4, 4)
    assert torch.equal(apply_boundary(noisy, clean, torch.tensor([0, 0])), noisy)
    assert torch.allclose(apply_boundary(noisy, clean, torch.tensor([999, 999])), clean, atol=1e-3)
    kept, noise = signal[torch.tensor([10, 700])], torch.randn(2, 3, 4, 4)
    a, b = kept.sqrt().view(-1, 1, 1, 1), (1 - kept).sqrt().view(-1, 1, 1, 1)
    found = split_prediction(a * clean + b * noise, a * noise - b * clean, kept)
    assert torch.allclose(found[0], clean, atol=1e-5) and torch.allclose(found[1], noise, atol=1e-5)


def test_the_teachers_step_follows_the_path_that_it_believes_in(tiny_run: Path) -> None:
    """From the last level a teacher that sees only noise goes to the next level: alpha and sigma are those of that level."""
    training = Distillation(tiny_run, Clock(1, steps=1), "cpu", create_initial_student(tiny_run, "cpu", lora_rank=2))
    noisy, levels = torch.randn(2, 16, 16, 16), torch.tensor([999, 19])
    text = training.text_encoder(training.nothing.expand(2, -1)).last_hidden_state.float()
    stepped = training.teacher_step(noisy, levels, levels - 20, text)
    with torch.no_grad():
        said = training.teacher(noisy, levels, text).sample.float()  # with no words guidance changes nothing
    clean, noise = split_prediction(noisy, said, training.signal[levels])
    kept = torch.stack([training.signal[979], torch.tensor(1.0)]).view(-1, 1, 1, 1)
    assert torch.allclose(stepped, kept.sqrt() * clean + (1 - kept).sqrt() * noise, atol=0.05)


def test_the_teachers_path_ends_where_a_ddim_sampler_ends(tiny_run: Path) -> None:
    training = Distillation(tiny_run, Clock(1, steps=1), "cpu", create_initial_student(tiny_run, "cpu", lora_rank=2))
    noisy = torch.randn(2, 16, 16, 16)
    text = training.text_encoder(training.nothing.expand(2, -1)).last_hidden_state.float()
    ended = training.follow_path(noisy, torch.tensor([999, 999]), text)
    scheduler = create_scheduler()
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [999, 749, 499, 249]
    with torch.no_grad():
        for level in scheduler.timesteps:
            said = training.teacher(noisy, level, text).sample.float()  # with no words guidance changes nothing
            noisy = scheduler.step(said, int(level), noisy).prev_sample
    assert torch.allclose(ended, noisy, atol=0.1)


def test_processes_draw_what_the_trainer_would_draw_itself(tiny_run: Path) -> None:
    here = source(tiny_run, first_seed=50).next()
    with Drawers(1, SIZES.side, SIZES.latent_side, 50, tiny_run / FOLDER) as drawers:
        there = drawers.next()
    assert all(torch.equal(a, b) for a, b in zip(here.parts(), there.parts(), strict=True))
    assert here.ids.shape == (CHUNK, WORDINGS, MAX_LENGTH) and here.masks.any()


@pytest.mark.long
def test_the_judge_learns_one_chunk_and_is_read_back(tmp_path: Path) -> None:
    training = JudgeTraining(Clock(1, steps=12), "cpu", Judge())
    training.add(InProcessDrawer(256, 1, 3).next())
    losses = [float(training.train_step())]
    assert learns(lambda: losses.append(float(training.train_step())), lambda: losses[-1] < 0.75 * losses[0], most=11)
    network = training.network.eval()
    save_judge(network, tmp_path / "judge.safetensors")
    picture = torch.randn(1, 3, 256, 256)
    read = load_judge(tmp_path / "judge.safetensors")
    assert torch.allclose(read(picture)["where"], network(picture)["where"], atol=0.15)
    other = Judge()
    save_judge(network, tmp_path / "mean.safetensors", other)
    first_layer = "body.0.down.0.weight"
    mean = load_judge(tmp_path / "mean.safetensors").state_dict()[first_layer]
    expected = (network.state_dict()[first_layer] + other.state_dict()[first_layer]) / 2
    assert torch.allclose(mean, expected, atol=1e-3)
    shares = measure_accuracy(read, 100)
    assert {"one thing", "two things", "counting", "position", "background", "style"} <= set(shares)
    assert all(0 <= share <= 1 for share in shares.values()) and shares["one thing"] < 0.5  # so few steps


def test_a_thing_is_present_where_it_is_the_likeliest_answer_of_a_cell() -> None:
    class Sure(Judge):
        def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
            where = torch.full((len(pictures), len(THING_NAMES) + 1, CELLS, CELLS), -9.0)
            where[:, -1] = -1.0
            where[0, THING_NAMES.index("cat"), 2, 5] = where[0, THING_NAMES.index("dog"), 7, 7] = -0.5
            where[0, THING_NAMES.index("house"), 0, 0] = -1.5
            return {"where": where}

    assert detect_things(Sure(), [np.zeros((256, 256, 3), np.uint8)] * 2) == [frozenset({"cat", "dog"}), frozenset()]


def test_scores_count_what_was_asked() -> None:
    picture = np.zeros((256, 256, 3), np.uint8)
    table = score(Judge().eval(), [Trial("one thing", "a cat", ("cat",), "beach")] * 3, [picture] * 3)
    assert table["one thing"][1] == 3 and table["background"][1] == 3 and table["one thing"][0] in (0, 3)


def test_distances_of_pictures() -> None:
    rng = np.random.default_rng(0)
    first, shifted = rng.normal(size=(4000, 3)), rng.normal((2, 0, 0), size=(4000, 3))
    assert compute_frechet_distance(first, first) == pytest.approx(0, abs=1e-6)
    assert compute_frechet_distance(first, shifted) == pytest.approx(4, rel=0.1)
    assert find_nearest_distances(first[:5], first).max() == 0 and find_nearest_distances(shifted[:50], first).max() > 0


def test_a_whole_run_names_every_part_once(tmp_path: Path) -> None:
    made = list_commands(list(PARTS), 12, tmp_path, tmp_path / "starter", "cuda", "a test")
    assert [command[0].rpartition(".")[2] for command in made] == [*PARTS, "evaluate", "evaluate"]
    assert ["--few-steps" in command for command in made[-3:]] == [False, False, True]
    some = list_commands(["diffusion"], 7, tmp_path, tmp_path / "starter", "cuda", "a test")
    assert some == [["training.diffusion", "--minutes", "7.00", "--out", str(tmp_path), "--device", "cuda", "--resume"]]


def test_a_run_without_a_judge_asks_the_committed_one_and_without_few_steps_asks_nothing_of_them(tmp_path: Path) -> None:
    made = list_commands(["export", "evaluate"], 7, tmp_path, tmp_path / "starter", "cpu", "a test")
    assert [command[0] for command in made] == ["training.export", "training.evaluate", "training.evaluate"]
    assert not [command for command in made if "--judge" in command or "--few-steps" in command]
