"""Every stage of the wide starter for a few steps at tiny size: it learns, goes on, and ends as a folder that diffusers loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler

from training.common import Clock, load_state
from training.diffusion import new_scheduler
from training.evaluate import load_pipeline
from training.wide.all import PARTS, commands
from training.wide.autoencoder import AutoencoderTraining, load_autoencoder
from training.wide.diffusion import DiffusionTraining, LatentPool
from training.wide.drawers import CHUNK, WORDINGS, Drawers, DrawsHere
from training.wide.evaluate import drawn, few_step_pipeline, frechet, nearest, score
from training.wide.export import export
from training.wide.few_steps import Distillation, boundary, picture_of
from training.wide.judge import Judge, JudgeTraining, accuracy, load_judge, save_judge
from training.wide.networks import MAX_LENGTH, Sizes, own_tokenizer
from training.wide.trials import Trial

SIZES = Sizes(autoencoder=(8, 16, 16), unet=(32, 32), text_width=64, text_layers=1, side=64)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def autoencoder_run(run: Path, steps: int) -> AutoencoderTraining:
    training = AutoencoderTraining(run, Clock(1, steps=steps), SIZES, "cpu")
    if training.path.exists():
        training.resume()
    training.run(DrawsHere(SIZES.side, SIZES.side, 0), batch=4)
    return training


def pool_of(run: Path) -> LatentPool:
    return LatentPool(load_autoencoder(run / "autoencoder.pt"), SIZES, "cpu", CHUNK)


def source(run: Path, first_seed: int = 7) -> DrawsHere:
    own_tokenizer(run)
    return DrawsHere(SIZES.side, SIZES.latent_side, first_seed, run / "tokenizer")


def diffusion_run(run: Path, steps: int) -> DiffusionTraining:
    training = DiffusionTraining(run, Clock(1, steps=steps), SIZES, "cpu")
    if training.path.exists():
        training.resume()
    training.run(source(run), pool_of(run), batch=4, first_fill=CHUNK)
    return training


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that a run leaves behind, after two steps of each."""
    folder = tmp_path_factory.mktemp("wide")
    autoencoder_run(folder, 2)
    diffusion_run(folder, 2)
    Distillation(folder, Clock(1, steps=2), "cpu", rank=2).run(source(folder), pool_of(folder), batch=2, first_fill=CHUNK)
    return folder


def test_both_trainings_go_on_from_their_last_weights(run: Path, tmp_path: Path) -> None:
    assert autoencoder_run(tmp_path, 1).step == 1
    assert autoencoder_run(tmp_path, 2).step == 3
    assert diffusion_run(tmp_path, 1).step == 1
    before = load_state(tmp_path / "diffusion.pt")["unet"]
    assert diffusion_run(tmp_path, 2).step == 3
    after = load_state(tmp_path / "diffusion.pt")["unet"]
    moved = [float((after[name] - before[name]).abs().max()) for name in before]  # type: ignore[index, union-attr]
    assert 0 < max(moved) < 0.05


def test_the_networks_learn_one_chunk(tmp_path: Path) -> None:
    training = autoencoder_run(tmp_path, 1)
    words = DiffusionTraining(tmp_path, Clock(1, steps=60), SIZES, "cpu")
    pool = pool_of(tmp_path)
    pool.add(source(tmp_path).next())

    def error() -> float:
        torch.manual_seed(5)
        words.step = 0
        with torch.no_grad():
            return float(words.loss(pool, 16))

    first = error()
    for _ in range(25):
        words.train_step(pool, 8, 2.0)
    assert error() < 0.95 * first and training.step == 1


def test_a_run_is_exported_with_its_few_steps_and_draws(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "starter"
    assert export(run, folder, "a test") == sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    card = json.loads((folder / "starter.json").read_text(encoding="utf-8"))
    assert card["native_size"] == 256 and len(card["things"]) >= 300 and len(card["styles"]) >= 10
    assert {"cat", "cats", "watercolor", "beach", "night"} <= set(card["words"])
    full, quick = load_pipeline(folder), few_step_pipeline(folder)
    assert isinstance(full.scheduler, DDIMScheduler) and isinstance(quick.scheduler, LCMScheduler)
    assert quick.get_active_adapters()
    for pipeline, steps, guidance in ((full, 2, 3.0), (quick, 2, 1.0)):
        (picture,) = drawn(pipeline, ["a cat on the beach"], 1, steps, guidance)
        assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8 and picture.std() > 0


def test_the_few_step_function_says_its_input_where_nothing_is_noisy() -> None:
    signal, noisy = new_scheduler().alphas_cumprod, torch.randn(2, 3, 4, 4)
    clean = torch.randn(2, 3, 4, 4)
    assert torch.equal(boundary(noisy, clean, torch.tensor([0, 0])), noisy)
    assert torch.allclose(boundary(noisy, clean, torch.tensor([999, 999])), clean, atol=1e-3)
    kept, noise = signal[torch.tensor([10, 700])], torch.randn(2, 3, 4, 4)
    a, b = kept.sqrt().view(-1, 1, 1, 1), (1 - kept).sqrt().view(-1, 1, 1, 1)
    found = picture_of(a * clean + b * noise, a * noise - b * clean, kept)
    assert torch.allclose(found[0], clean, atol=1e-5) and torch.allclose(found[1], noise, atol=1e-5)


def test_the_teachers_step_follows_the_path_that_it_believes_in(run: Path) -> None:
    """From the last level a teacher that sees only noise goes to the next level: alpha and sigma are those of that level."""
    training = Distillation(run, Clock(1, steps=1), "cpu", rank=2)
    noisy, levels = torch.randn(2, 16, 16, 16), torch.tensor([999, 19])
    text = training.text_encoder(training.nothing.expand(2, -1)).last_hidden_state.float()
    stepped = training.teacher_step(noisy, levels, levels - 20, text)
    with torch.no_grad():
        said = training.teacher(noisy, levels, text).sample.float()  # with no words guidance changes nothing
    clean, noise = picture_of(noisy, said, training.signal[levels])
    kept = torch.stack([training.signal[979], torch.tensor(1.0)]).view(-1, 1, 1, 1)
    assert torch.allclose(stepped, kept.sqrt() * clean + (1 - kept).sqrt() * noise, atol=0.05)


def test_processes_draw_what_the_trainer_would_draw_itself(run: Path) -> None:
    here = source(run, first_seed=50).next()
    with Drawers(1, SIZES.side, SIZES.latent_side, 50, run / "tokenizer") as drawers:
        there = drawers.next()
    assert all(torch.equal(a, b) for a, b in zip(here.parts(), there.parts(), strict=True))
    assert here.ids.shape == (CHUNK, WORDINGS, MAX_LENGTH) and here.masks.any()


def test_the_judge_learns_one_chunk_and_is_read_back(tmp_path: Path) -> None:
    training = JudgeTraining(Clock(1, steps=12), "cpu")
    training.add(DrawsHere(256, 1, 3).next())
    first = float(training.train_step())
    for _ in range(11):
        last = float(training.train_step())
    assert last < 0.75 * first
    network = training.network.eval()
    save_judge(network, tmp_path / "judge.safetensors")
    picture = torch.randn(1, 3, 256, 256)
    read = load_judge(tmp_path / "judge.safetensors")
    assert torch.allclose(read(picture)["where"], network(picture)["where"], atol=0.15)
    assert set(accuracy(read, 20)) <= {"one thing", "two things", "counting", "colour", "position", "background", "style"}


def test_scores_count_what_was_asked() -> None:
    picture = np.zeros((256, 256, 3), np.uint8)
    table = score(Judge().eval(), [Trial("one thing", "a cat", ("cat",), "beach")] * 3, [picture] * 3)
    assert table["one thing"][1] == 3 and table["background"][1] == 3 and table["one thing"][0] in (0, 3)


def test_distances_of_pictures() -> None:
    rng = np.random.default_rng(0)
    first, shifted = rng.normal(size=(4000, 3)), rng.normal((2, 0, 0), size=(4000, 3))
    assert frechet(first, first) == pytest.approx(0, abs=1e-6)
    assert frechet(first, shifted) == pytest.approx(4, rel=0.1)
    assert nearest(first[:5], first).max() == 0 and nearest(shifted[:50], first).max() > 0


def test_a_whole_run_names_every_part_once(tmp_path: Path) -> None:
    made = commands(list(PARTS), 12, tmp_path, tmp_path / "starter", "cuda", "a test")
    assert [command[0].rpartition(".")[2] for command in made] == [*PARTS, "evaluate", "evaluate"]
    some = commands(["diffusion"], 7, tmp_path, tmp_path / "starter", "cuda", "a test")
    assert some == [["training.wide.diffusion", "--minutes", "7.00", "--out", str(tmp_path), "--device", "cuda", "--resume"]]
