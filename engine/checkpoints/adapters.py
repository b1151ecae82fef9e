"""What is added to a checkpoint for one run and removed after it: LoRAs, textual inversion embeddings, another VAE.

Files are read as tensors (:mod:`engine.checkpoints.files.tensors`), never unpickled. The checkpoint's own weights are not
changed, so removing an addition restores it exactly.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Generator
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import CLIPTokenizer, PreTrainedModel

from engine.checkpoints.families import BASE_MODELS, key_mapping
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.library.catalogue import CheckpointEntry
from engine.checkpoints.load.components import IsCancelled, make_component
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.checkpoints.pipelines import LoraPipeline, create_pipeline
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan


@dataclass(frozen=True, kw_only=True)
class Additions:
    """``loras``: files with their strengths in the text encoders and in the UNet. ``embeddings``: textual inversions, each
    by its file's name in the prompt. ``vae``: a separate VAE."""

    loras: tuple[tuple[CheckpointEntry, float, float], ...] = ()
    embeddings: tuple[CheckpointEntry, ...] = ()
    vae: CheckpointEntry | None = None


NOTHING = Additions()


@contextlib.contextmanager
def apply_additions(
    additions: Additions, loaded: LoadedCheckpoint, entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled
) -> Generator[LoadedCheckpoint]:
    """``loaded`` with ``additions`` within the block. After it, the components that both share are as they were.

    Raises CheckpointError for a file that was made for another family or is damaged.
    """
    for addition in (*(lora for lora, *_ in additions.loras), *additions.embeddings):
        check_family(addition, entry)
    with contextlib.ExitStack() as stack:
        if additions.vae is not None:
            loaded = _with_vae(additions.vae, loaded, entry, plan, cancelled)
        if additions.embeddings:
            loaded = stack.enter_context(_add_embeddings(additions.embeddings, loaded))
        if additions.loras:
            stack.enter_context(_add_loras(additions.loras, loaded))
        yield loaded


def check_family(addition: CheckpointEntry, entry: CheckpointEntry) -> None:
    """Raises CheckpointError if ``addition`` was plainly made for another base model than that of ``entry``."""
    base, wanted = entry.family.base, addition.identity.family
    if wanted and base is not None and wanted != base.name:
        label = BASE_MODELS[wanted].label if wanted in BASE_MODELS else wanted
        raise CheckpointError(
            f"“{addition.name}” was made for {label}, and “{entry.name}” is {entry.family.label}. "
            "Choose a checkpoint of its family, or leave it out."
        )


# LoRA


@contextlib.contextmanager
def _add_loras(loras: tuple[tuple[CheckpointEntry, float, float], ...], loaded: LoadedCheckpoint) -> Generator[None]:
    """Low-rank additions (Hu et al. 2021, arXiv 2106.09685) beside the weights, not in them."""
    pipeline = create_pipeline(loaded)
    if not isinstance(pipeline, LoraPipeline):
        raise CheckpointError("This kind of checkpoint cannot use LoRAs: leave them out, or choose another checkpoint.")
    try:
        names = [_load_lora(number, lora, pipeline) for number, (lora, *_) in enumerate(loras)]
        parts = [name for name in ("text_encoder", "text_encoder_2") if name in loaded.modules]
        pipeline.set_adapters(names, [{"unet": unet, **dict.fromkeys(parts, words)} for _, words, unet in loras])
        yield
    finally:
        pipeline.unload_lora_weights()


def _load_lora(number: int, lora: CheckpointEntry, pipeline: LoraPipeline) -> str:
    name = f"lora_{number}"
    store = TensorStore([lora.path])
    weights = _with_strength({key: store.read(key).clone() for key in store.names()})
    try:
        pipeline.load_lora_weights(weights, adapter_name=name)
    except (ValueError, KeyError, RuntimeError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"“{lora.name}” does not fit this checkpoint ({str(error).splitlines()[0][:160]}). "
            "It was probably made for another family: leave it out, or choose another checkpoint."
        ) from error
    if name not in {n for names in pipeline.get_list_adapters().values() for n in names}:
        raise CheckpointError(f"“{lora.name}” has no effect on this checkpoint: it was made for another family. Leave it out.")
    return name


def _with_strength(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The matrices multiplied by Kohya's scale (``alpha`` over the rank), which diffusers ignores for text encoders."""
    for name in [name for name in weights if name.endswith(".alpha")]:
        down, up = (weights.get(name.removesuffix("alpha") + end) for end in ("lora_down.weight", "lora_up.weight"))
        if down is not None and up is not None:
            up *= weights[name].item() / down.shape[0]
            weights[name] = torch.tensor(float(down.shape[0]))
    return weights


# Textual inversion


@contextlib.contextmanager
def _add_embeddings(embeddings: tuple[CheckpointEntry, ...], loaded: LoadedCheckpoint) -> Generator[LoadedCheckpoint]:
    """Textual inversions (Gal et al. 2022, arXiv 2208.01618): each file's name becomes new entries at the end of the
    vocabulary."""
    with contextlib.ExitStack() as stack:
        tokenizer, tokenizer_2 = loaded.tokenizer, loaded.tokenizer_2
        if loaded.text_encoder is not None and tokenizer is not None:
            tokenizer = stack.enter_context(_with_words(loaded.text_encoder, tokenizer, embeddings, "clip_l"))
        if loaded.text_encoder_2 is not None and tokenizer_2 is not None:
            tokenizer_2 = stack.enter_context(_with_words(loaded.text_encoder_2, tokenizer_2, embeddings, "clip_g"))
        yield dataclasses.replace(loaded, tokenizer=tokenizer, tokenizer_2=tokenizer_2)


def _vectors(embedding: CheckpointEntry, key: str, width: int) -> torch.Tensor:
    """The learned vectors for one text encoder: those under ``key`` in files for XL, else the only ones."""
    store = TensorStore([embedding.path])
    matrices = [name for name in store.names() if len(store.shape(name)) in (1, 2)]
    name = key if key in matrices else next((n for n in matrices if store.shape(n)[-1] == width), "")
    if not name or store.shape(name)[-1] != width:
        found = store.shape(matrices[0])[-1] if matrices else 0
        raise CheckpointError(
            f"“{embedding.name}” was made for another family: its words are {found} wide, and this checkpoint's {width}. "
            "Leave it out."
        )
    found = store.read(name).clone()
    return found if found.dim() == 2 else found[None]


@contextlib.contextmanager
def _with_words(
    encoder: PreTrainedModel, tokenizer: CLIPTokenizer, embeddings: tuple[CheckpointEntry, ...], key: str
) -> Generator[CLIPTokenizer]:
    """Extend the encoder's embedding table, and yield a copy of the tokenizer with the new words. Afterwards the original
    table is restored."""
    table = encoder.get_input_embeddings()
    if not isinstance(table, nn.Embedding):
        raise CheckpointError("This kind of checkpoint cannot use embeddings: leave them out, or choose another one.")
    vectors = {e.word: _vectors(e, key, table.embedding_dim) for e in embeddings}
    longer = copy.deepcopy(tokenizer)
    for word, rows in vectors.items():
        names = [word, *(f"{word}_{i}" for i in range(1, len(rows)))]
        if longer.add_tokens(names) != len(names):
            raise CheckpointError(f"The embedding “{word}” has the name of a word that the checkpoint knows: rename its file.")
    added = torch.cat(list(vectors.values())).to(table.weight)
    whole = torch.cat([table.weight[: len(tokenizer)], added])
    encoder.set_input_embeddings(nn.Embedding.from_pretrained(whole))
    try:
        yield longer
    finally:
        encoder.set_input_embeddings(table)


# VAE


def _with_vae(
    vae: CheckpointEntry, loaded: LoadedCheckpoint, entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled
) -> LoadedCheckpoint:
    store = TensorStore([vae.path])
    naming = key_mapping.map_folder if any("down_blocks" in name for name in store.names()) else key_mapping.map_vae
    config = {**entry.config("vae"), "_class_name": "AutoencoderKL"}
    other = make_component("AutoencoderKL", "vae", config, store, naming, vae, plan, cancelled)
    if not isinstance(other, AutoencoderKL):
        raise CheckpointError(f"“{vae.name}” is not a VAE that Easel can use. Choose another one.")
    return dataclasses.replace(loaded, vae=other)
