"""Stable Diffusion 3 from every form of it: the same weights, whoever holds its text encoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file

from engine.checkpoints.files.headers import read_header
from engine.checkpoints.identify.identify import identify
from engine.checkpoints.identify.identity import Identity, Part
from engine.checkpoints.library.borrowing import borrow_components, explain_missing, take_components
from engine.checkpoints.library.entry import CheckpointEntry, entry_for
from engine.checkpoints.load.checkpoint import load_checkpoint
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan
from tests.engine.checkpoints import tiny_sd3

FULL = ExecutionPlan(channels_last=False)


def weights(parts: Any) -> dict[str, torch.Tensor]:
    """By component and name; the first projection is left out, which is the identity and not in single files."""
    modules = {name: part for name, part in parts.items() if isinstance(part, torch.nn.Module)}
    every = {f"{name}.{k.removeprefix('text_model.')}": v for name, part in modules.items() for k, v in part.state_dict().items()}
    return {name: weight for name, weight in every.items() if name != "text_encoder.text_projection.weight"}


def assert_same(loaded: Any, kind: str) -> None:
    found, wanted = weights(loaded.modules), weights(tiny_sd3.pipeline(kind).components)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []


@pytest.mark.parametrize("kind", tiny_sd3.NETWORKS)
def test_the_original_layout_is_the_one_that_diffusers_converts(kind: str) -> None:
    written = tiny_sd3.in_original_layout(kind, encoders=())
    converted = convert_sd3_transformer_checkpoint_to_diffusers(
        {name: weight for name, weight in written.items() if name.startswith("model.diffusion_model.")}
    )
    wanted = tiny_sd3.pipeline(kind).transformer.state_dict()
    assert converted.keys() == wanted.keys()
    assert all(torch.equal(converted[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("kind, prefix", [*((kind, True) for kind in tiny_sd3.NETWORKS), ("sd35_medium", False)])
def test_a_single_file_loads_as_its_folder(kind: str, prefix: bool, sd3_folders: Path, tmp_path: Path) -> None:
    save_file(tiny_sd3.in_original_layout(kind, prefix=prefix), tmp_path / "x.safetensors")
    (tmp_path / "tokenizer.json").write_bytes((sd3_folders / kind / "tokenizer_3" / "tokenizer.json").read_bytes())
    file, folder = entry_for(tmp_path / "x.safetensors", configs=sd3_folders / kind), entry_for(sd3_folders / kind)
    assert file.family.name == folder.family.name == kind
    assert file.parts.keys() == folder.parts.keys()
    for entry in (file, folder):
        loaded = load_checkpoint(entry, FULL)
        assert_same(loaded, kind)
        assert loaded.tokenizer_3 is not None and loaded.notices == ()


def test_few_steps_are_told_by_the_metadata_or_else_the_name(sd3_folders: Path, tmp_path: Path) -> None:
    weights = tiny_sd3.in_original_layout("sd35_large", encoders=())
    save_file(weights, tmp_path / "a.safetensors", {"modelspec.title": "SD 3.5 Large Turbo"})
    save_file(weights, tmp_path / "sd3.5_large_turbo.safetensors")
    save_file(weights, tmp_path / "turbot.safetensors")
    (tmp_path / "stable-diffusion-3.5-large-turbo").symlink_to(sd3_folders / "sd35_large")
    told = {path.name: entry_for(path).family.name for path in sorted(tmp_path.iterdir())}
    assert told == {
        "a.safetensors": "sd35_large_turbo", "sd3.5_large_turbo.safetensors": "sd35_large_turbo",
        "stable-diffusion-3.5-large-turbo": "sd35_large_turbo", "turbot.safetensors": "sd35_large",
    }  # fmt: skip


def alone(sd3_folders: Path, tmp_path: Path, kind: str = "sd35_medium") -> CheckpointEntry:
    """A single file without text encoders."""
    save_file(tiny_sd3.in_original_layout(kind, encoders=()), tmp_path / "alone.safetensors")
    return entry_for(tmp_path / "alone.safetensors", configs=sd3_folders / kind)


def lend(entry: CheckpointEntry, folder: Path, kind: str = "sd35_medium") -> CheckpointEntry:
    """``entry`` with text encoders in files of their own, whose tiny widths do not tell what they are."""
    lenders: dict[str, CheckpointEntry] = {}
    for component, name in {"text_encoder": "clip_l", "text_encoder_2": "clip_g", "text_encoder_3": "t5xxl"}.items():
        path = folder / f"{name}.safetensors"
        save_file({key: w.contiguous() for key, w in tiny_sd3.encoder_alone(kind, name).items()}, path)
        header = read_header(path)
        identity = Identity(kind="text_encoder", parts={component: Part.sum(header.tensors.values())}, digest=header.digest)
        lenders[component] = CheckpointEntry(name=name, path=path, identity=identity)
    return take_components(entry, lenders)


def test_text_encoders_of_their_own_files_load_as_the_folder(sd3_folders: Path, tmp_path: Path) -> None:
    entry = lend(alone(sd3_folders, tmp_path), tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((sd3_folders / "sd35_medium" / "tokenizer_3" / "tokenizer.json").read_bytes())
    assert_same(load_checkpoint(entry, FULL), "sd35_medium")


def test_text_encoders_are_taken_from_the_folder_of_another(sd3_folders: Path, tmp_path: Path) -> None:
    entry = alone(sd3_folders, tmp_path)
    with pytest.raises(CheckpointError, match=r"Put clip_l\.safetensors beside it"):
        load_checkpoint(entry, FULL)
    assert "clip_l.safetensors and clip_g.safetensors" in next(explain_missing(entry))
    whole = borrow_components(entry, [entry_for(sd3_folders / "sd35_medium"), entry])
    assert not list(explain_missing(whole)) and whole.parameters == entry_for(sd3_folders / "sd35_medium").parameters
    assert_same(load_checkpoint(whole, FULL), "sd35_medium")


def test_t5_is_left_out_without_its_tokenizer_and_that_is_said(sd3_folders: Path, tmp_path: Path) -> None:
    entry = lend(alone(sd3_folders, tmp_path), tmp_path)
    loaded = load_checkpoint(entry, FULL)
    assert loaded.text_encoder_3 is None and loaded.tokenizer_3 is None and "text_encoder_3" not in entry.parameters
    assert len(loaded.notices) == 1 and "tokenizer.json" in loaded.notices[0]


def test_a_model_of_sentencepiece_beside_the_file_is_t5s_tokenizer(sd3_folders: Path, tmp_path: Path) -> None:
    entry = lend(alone(sd3_folders, tmp_path), tmp_path)
    (tmp_path / "spiece.model").write_bytes(tiny_sd3.sentencepiece_model())
    tokenizer = load_checkpoint(entry, FULL).tokenizer_3
    referee = sentencepiece.SentencePieceProcessor(model_proto=tiny_sd3.sentencepiece_model())
    assert tokenizer is not None
    for text in ("a cat on grass", "red dog, a cat"):
        assert tokenizer(text)["input_ids"] == [*referee.encode(text), referee.eos_id()]


@pytest.mark.parametrize("gone", ["text_encoder_3", "tokenizer_3"])
def test_a_folder_without_t5_loads_without_it(gone: str, sd3_folders: Path, tmp_path: Path) -> None:
    for source in sorted((sd3_folders / "sd35_medium").rglob("*")):
        target = tmp_path / "model" / source.relative_to(sd3_folders / "sd35_medium")
        if source.is_file() and target.parent.name != gone:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    loaded = load_checkpoint(entry_for(tmp_path / "model"), FULL)
    assert loaded.text_encoder_3 is None and loaded.text_encoder_2 is not None and loaded.notices


CLIP_L, CLIP_G, T5 = (
    {"text_model.embeddings.token_embedding.weight": (49408, 768)},
    {"text_model.embeddings.token_embedding.weight": (49408, 1280), "text_projection.weight": (1280, 1280)},
    {"shared.weight": (32128, 4096), "encoder.block.23.layer.1.DenseReluDense.wi_1.weight": (10240, 4096)},
)


def sparse(path: Path, shapes: dict[str, tuple[int, ...]], dtype: str = "F8_E4M3", size: int = 1) -> Path:
    """A safetensors file of these shapes that takes no room on the disk."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + size * int(torch.tensor(shape).prod())
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    written = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(written).to_bytes(8, "little") + written)
        file.truncate(8 + len(written) + end)
    return path


@pytest.mark.parametrize(
    "shapes, component",
    [
        (CLIP_L, "text_encoder"),
        (CLIP_G, "text_encoder_2"),
        ({"token_embedding.weight": (49408, 1280), "positional_embedding": (77, 1280)}, "text_encoder_2"),
        (T5, "text_encoder_3"),
    ],
)
def test_published_text_encoders_are_recognised(shapes: dict[str, tuple[int, ...]], component: str, tmp_path: Path) -> None:
    found = identify(sparse(tmp_path / "x.safetensors", shapes))
    assert found.kind == "text_encoder" and list(found.parts) == [component]


@pytest.mark.parametrize(
    "shapes",
    [
        {**T5, "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight": (32, 64)},
        {"shared.weight": (32128, 768), "encoder.block.0.layer.0.SelfAttention.q.weight": (768, 768)},
        {**CLIP_L, "vision_model.embeddings.class_embedding": (1024,)},
        {"text_model.embeddings.token_embedding.weight": (49408, 1024), "text_model.encoder.layers.0.mlp.fc1.bias": (4096,)},
    ],
)
def test_other_text_encoders_are_not_taken_for_those(shapes: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    assert identify(sparse(tmp_path / "x.safetensors", shapes)).kind == "unknown"


def test_the_best_text_encoder_is_the_one_beside_the_checkpoint_or_else_the_largest(sd3_folders: Path, tmp_path: Path) -> None:
    entry = alone(sd3_folders, tmp_path)
    (tmp_path / "far").mkdir()
    small = entry_for(sparse(tmp_path / "far" / "t5xxl_fp8.safetensors", T5))
    large = entry_for(sparse(tmp_path / "far" / "t5xxl_fp16.safetensors", T5, "F16", 2))
    assert borrow_components(entry, [small, large]).borrowed["text_encoder_3"].path == large.path
    near = entry_for(sparse(tmp_path / "near.safetensors", T5))
    assert borrow_components(entry, [small, large, near]).borrowed["text_encoder_3"].path == near.path
