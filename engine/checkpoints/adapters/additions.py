"""What is added to a checkpoint for one run: LoRAs, textual inversion embeddings, a separate VAE.

Files are read as tensors (:mod:`engine.checkpoints.files.tensors`), never unpickled. LoRAs are merged into the weights
(:mod:`engine.checkpoints.adapters.merge`); the rest is removed after the run.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator
from dataclasses import dataclass

from diffusers import AutoencoderKL

from engine.checkpoints.adapters.embeddings import add_words, read_bundled, read_embedding
from engine.checkpoints.adapters.merge import Lora, MergedLoras
from engine.checkpoints.families import BASE_MODELS, BaseModel, key_mapping
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.components import ComponentLoader, IsCancelled
from engine.checkpoints.load.leftovers import count_tensors
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan


@dataclass(frozen=True, kw_only=True)
class Additions:
    """``loras``: files with their strengths. ``embeddings``: textual inversions by the word for them in prompts. ``vae``: a
    separate VAE."""

    loras: tuple[Lora, ...] = ()
    embeddings: tuple[CheckpointEntry, ...] = ()
    vae: CheckpointEntry | None = None


NOTHING = Additions()


@contextlib.contextmanager
def apply_additions(
    additions: Additions,
    merged: MergedLoras,
    entry: CheckpointEntry,
    plan: ExecutionPlan,
    cancelled: IsCancelled,
) -> Generator[LoadedCheckpoint]:
    """The checkpoint of ``merged`` with ``additions``, within the block. Afterwards its components are restored, except that
    LoRAs stay merged until others are requested.

    Raises CheckpointError, a sentence, for a file that is damaged or was made for another family.
    """
    for addition in (*(lora.entry for lora in additions.loras), *additions.embeddings):
        check_family(addition, entry)
    if additions.vae is not None:
        check_latents(additions.vae, entry)
    merged.set(additions.loras, cancelled)
    loaded = dataclasses.replace(merged.loaded, merged=merged.digest, notices=(*merged.loaded.notices, *merged.notices))
    words = {
        **{word: vectors for lora in additions.loras for word, vectors in read_bundled(lora.entry).items()},
        **{entry.word: read_embedding(entry) for entry in additions.embeddings},
    }
    with contextlib.ExitStack() as stack:
        if additions.vae is not None and entry.borrowed.get("vae") is not additions.vae:
            loaded = _with_vae(additions.vae, loaded, entry, plan, cancelled)
        if words:
            loaded = stack.enter_context(add_words(words, loaded))
        yield loaded


def check_family(addition: CheckpointEntry, entry: CheckpointEntry) -> None:
    """Raises CheckpointError if ``addition`` was clearly made for another base model than that of ``entry``."""
    base, wanted = entry.family.base, addition.identity.family
    if wanted and base is not None and wanted != base.name:
        label = BASE_MODELS[wanted].label if wanted in BASE_MODELS else wanted
        raise CheckpointError(
            f"“{addition.name}” was made for {label}, and “{entry.name}” is {entry.family.label}. "
            "Choose a checkpoint of its family, or leave it out."
        )


def check_latents(vae: CheckpointEntry, entry: CheckpointEntry) -> None:
    """Raises CheckpointError if ``vae`` has latents of other channels than ``entry`` draws. A VAE of 4 channels does not say its
    family."""
    own = BASE_MODELS.get(vae.identity.family)
    channels = own.latent_channels if own else BaseModel.latent_channels
    if entry.family.base is not None and channels != entry.family.base.latent_channels:
        raise CheckpointError(
            f"“{vae.name}” is a VAE for latents of {channels} channels, and “{entry.name}” draws latents of "
            f"{entry.family.base.latent_channels}. Choose a VAE of {entry.family.label}, or none."
        )


def _with_vae(
    vae: CheckpointEntry, loaded: LoadedCheckpoint, entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled
) -> LoadedCheckpoint:
    store = TensorStore([vae.path])
    naming = key_mapping.find_vae_mapping(store.names())
    config = {**entry.config("vae"), "_class_name": "AutoencoderKL"}
    make = ComponentLoader(vae, plan, cancelled)
    other = make("AutoencoderKL", "vae", config, store, naming)
    if not isinstance(other, AutoencoderKL):
        raise CheckpointError(f"“{vae.name}” is not a VAE that Easel can use. Choose another one.")
    unused = count_tensors(make.originals.values()).explain(vae.name)
    return dataclasses.replace(loaded, vae=other, notices=(*loaded.notices, *filter(None, (unused,))))
