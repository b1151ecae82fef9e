"""After every load the tensors given, taken and left are counted, and what is left is known or said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.adapters.additions import Additions, apply_additions
from engine.checkpoints.adapters.merge import MergedLoras
from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.checkpoints.load.components import never_cancelled
from engine.checkpoints.load.image_network import load_image_network
from engine.checkpoints.load.leftovers import count_names, count_tensors
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny
from tests.engine.generate.upscale import tiny_networks

Maker = Callable[[str, str], Path]


def load(path: Path, folder: Path) -> LoadedCheckpoint:
    return load_checkpoint(entry_for(path, configs=folder), ExecutionPlan(channels_last=False))


@pytest.mark.parametrize("kind", ["sd1", "sd2_base", "sd2_depth"])
def test_every_tensor_of_a_published_layout_is_used_or_known(checkpoint: Maker, kind: str) -> None:
    loaded = load(checkpoint(kind, "safetensors"), checkpoint(kind, "folder"))
    use = count_tensors(loaded.originals.values())
    assert use.given == use.taken + sum(map(len, use.left.values()))
    assert "" not in use.left and not loaded.notices
    assert use.left["averaged weights (EMA), with which only training goes on"]


def test_tensors_that_easel_does_not_know_are_said(checkpoint: Maker, tmp_path: Path) -> None:
    tensors = tiny.in_original_layout("sd1", tiny.pipeline("sd1"))
    tensors |= {f"model.diffusion_model.motion_modules.{number}.weight": torch.zeros(2) for number in range(4)}
    save_file(tensors, tmp_path / "x.safetensors")
    (notice,) = load(tmp_path / "x.safetensors", checkpoint("sd1", "folder")).notices
    assert f"4 of {len(tensors)} parts" in notice and "motion_modules.0.weight" in notice


def explain(folder: Path, additions: Additions) -> tuple[str, ...]:
    """What is said of a checkpoint with ``additions``."""
    entry, plan = entry_for(folder), ExecutionPlan(channels_last=False)
    loaded = load_checkpoint(entry, plan)
    assert not loaded.notices
    with apply_additions(additions, MergedLoras(loaded), entry, plan, never_cancelled) as changed:
        return changed.notices


@pytest.mark.parametrize("layout", ["original", "diffusers"])
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), ""),
        (("loss.logvar", "loss.discriminator.main.0.weight", "model_ema.decay"), ""),
        (
            ("decoder.extra_gate.weight",),
            "1 of {count} parts that Easel does not know and did not use (decoder.extra_gate.weight)",
        ),
    ],
)
def test_the_tensors_of_a_vae_are_counted(
    checkpoint: Maker, tmp_path: Path, layout: str, more: tuple[str, ...], said: str
) -> None:
    pipeline = tiny.pipeline("sd1")
    whole = tiny.in_original_layout("sd1", pipeline)
    original = {name.removeprefix("first_stage_model."): t for name, t in whole.items() if name.startswith("first_stage_model.")}
    tensors = original if layout == "original" else dict(pipeline.vae.state_dict())
    tensors |= {name: torch.zeros(2) for name in more}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "mine.safetensors")
    entry = entry_for(tmp_path / "mine.safetensors")
    assert entry.identity.kind == "vae"
    notices = explain(checkpoint("sd1", "folder"), Additions(vae=entry))
    assert len(notices) == bool(said) and said.format(count=len(tensors)) in "".join(notices)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ""),
        ({"string_to_token.*": torch.tensor([265])}, ""),
        ({"string_to_param.two": torch.zeros(1, tiny.WIDTH)}, "1 of 2 parts that Easel does not know and did not use"),
        ({"gate": torch.zeros(3)}, "1 of 2 parts that Easel does not know and did not use (gate)"),
    ],
)
def test_the_tensors_of_an_embedding_are_counted(
    checkpoint: Maker, tmp_path: Path, more: dict[str, torch.Tensor], said: str
) -> None:
    save_file({"string_to_param.*": torch.ones(1, tiny.WIDTH), **more}, tmp_path / "zorble.safetensors")
    notices = explain(checkpoint("sd1", "folder"), Additions(embeddings=(entry_for(tmp_path / "zorble.safetensors"),)))
    assert len(notices) == bool(said) and said in "".join(notices)


@pytest.mark.parametrize("name", ["Compact", "ESRGAN"])
def test_an_image_network_takes_every_tensor_or_is_refused_with_the_name_of_one_that_it_lacks(name: str, tmp_path: Path) -> None:
    path = tiny_networks.save_network(name, tmp_path)
    assert load_image_network(entry_for(path))
    tensors = load_file(path)
    for more, without, said in (
        ({"gate.weight": torch.zeros(2)}, (), "it has 1 part that its kind of network does not have (gate.weight)"),
        ({"gate.weight": torch.zeros(2), "gate.bias": torch.zeros(2)}, (), "it has 2 parts"),
        ({}, (list(tensors)[-1],), "saved incompletely, or is of another kind"),
    ):
        changed = {name: tensor for name, tensor in {**tensors, **more}.items() if name not in without}
        save_file(changed, tmp_path / "y.safetensors")
        with pytest.raises(CheckpointError) as refused:
            load_image_network(entry_for(tmp_path / "y.safetensors"))
        assert said in str(refused.value) and "Fetch" not in str(refused.value)


def test_a_text_encoders_second_table_and_decoder_are_known() -> None:
    more = (
        "shared.weight",
        "decoder.block.0.layer.0.SelfAttention.q.weight",
        "lm_head.weight",
        "decoder.final_layer_norm.weight",
    )
    use = count_names(("encoder.embed_tokens.weight", *more), {"encoder.embed_tokens.weight"})
    assert "" not in use.left and (use.given, use.taken) == (5, 1)
