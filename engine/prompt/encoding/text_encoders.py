"""Runs the text encoders of a checkpoint on the chunks of a prompt: CLIP's for Stable Diffusion 1, 2, XL and XL's refiner, and
with T5's, 3.

Each chunk of a prompt is one run of the text encoder; the results lie one after the other along the tokens. Chunks run one at a
time, so that an encoding does not depend on what else is encoded.

Weights follow A1111's first rule: hidden states are multiplied by their token's weight, then the chunk is scaled so that its
mean is what it was. Where ours differs from there:

* A chunk whose weights are all 1 is not touched at all, so ``(word:1.0)`` is ``word`` to the bit.
* The arithmetic is done in float32 whatever the encoder computes in.
* A mean near zero gives a meaningless scale; if it is not within :data:`SENSIBLE_SCALE`, the chunk is not scaled.
* Clip skip counts layers from the end of the encoder as it was trained: 2 is the penultimate also where a conversion has cut
  the last layer off (Stable Diffusion 2). XL uses the penultimate layer for a clip skip of 0, 1 and 2.
* XL's pooled state is read at the chunk's own end token, also when an embedding's entry has a higher number than that.
"""

from __future__ import annotations

import hashlib
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    T5EncoderModel,
)

from engine.compat.hooks import find_execution_device
from engine.prompt.encoding.t5 import T5Part
from engine.prompt.tokenizer import LearnedWords, PromptTokenizer, wrap_tokenizer
from engine.prompt.tokens import Chunk, PromptReading

SENSIBLE_SCALE = (0.5, 2.0)
"""Weighting restores a chunk's mean only by a factor within these."""

CUT_LAYERS = {23: 1}
"""Layers that an encoder has -> layers that its conversion cut off: OpenCLIP ViT-H has 24, Stable Diffusion 2 folders hold 23."""

CACHE_BYTES = 64 * 2**20
"""Bytes of the cached encodings: some 270 chunks of Stable Diffusion 1, 100 of XL."""


TextEncoder = CLIPTextModel | CLIPTextModelWithProjection


class TextEncoderOutput(Protocol):
    """The part of a text encoder's output that Easel uses: states of the last layer after the final norm, and of each layer
    without."""

    last_hidden_state: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...]


class Guard(Protocol):
    """Runs a component, again in float32 if its output is not finite; see :mod:`engine.generate.precision_guard`."""

    def run(self, name: str, component: torch.nn.Module, call: Callable[[torch.dtype], torch.Tensor]) -> torch.Tensor:
        """``call(dtype)``, checked."""
        ...


class TextEncoders(Protocol):
    """The tokenizers and text encoders of a loaded checkpoint; None for those that it does not have.

    ``joint_width``: numbers of a token that CLIP's and T5's states have in common (Stable Diffusion 3), None for other families.
    ``force_zeros_for_empty_prompt``: an empty negative prompt is zeros (XL's base). ``merged`` names the LoRAs in the weights.
    """

    @property
    def text_encoder(self) -> TextEncoder | None: ...

    @property
    def tokenizer(self) -> CLIPTokenizer | None: ...

    @property
    def text_encoder_2(self) -> CLIPTextModelWithProjection | None: ...

    @property
    def tokenizer_2(self) -> CLIPTokenizer | None: ...

    @property
    def text_encoder_3(self) -> T5EncoderModel | None: ...

    @property
    def tokenizer_3(self) -> PreTrainedTokenizerFast | None: ...

    @property
    def joint_width(self) -> int | None: ...

    @property
    def force_zeros_for_empty_prompt(self) -> bool: ...

    @property
    def merged(self) -> str: ...

    @property
    def learned(self) -> Mapping[str, LearnedWords]: ...


@dataclass(frozen=True)
class Encoding:
    """``embeds``: 1 x tokens x width, float32. ``pooled``: 1 x width for XL and 3, else None. A composed prompt has a row a
    part."""

    embeds: torch.Tensor
    pooled: torch.Tensor | None


@dataclass(frozen=True)
class TextPart:
    """A text encoder with its tokenizer and what is merged into it now.

    ``penultimate``: its states are taken before the last layer, without final norm (XL).
    """

    name: str
    tokenizer: PromptTokenizer
    encoder: TextEncoder
    penultimate: bool
    merged: str

    def state(self, chunk: Chunk) -> tuple[Hashable, ...]:
        """Everything besides a chunk's tokens that its encoding depends on."""
        table = self.encoder.get_input_embeddings().get_parameter("weight")
        added = {id for vectors in self.tokenizer.embeddings.values() for id in vectors}
        rows = tuple(_digest([table[token.id]]) for token in chunk if token.id in added)
        return str(table.dtype), self.merged, rows


def text_parts(encoders: TextEncoders) -> tuple[TextPart, ...]:
    """The text encoders of a checkpoint: one, XL's two, or the refiner's second alone."""
    two = encoders.text_encoder_2 is not None
    pairs = (
        ("text_encoder", encoders.text_encoder, encoders.tokenizer),
        ("text_encoder_2", encoders.text_encoder_2, encoders.tokenizer_2),
    )
    return tuple(
        TextPart(
            name=name,
            tokenizer=wrap_tokenizer(tokenizer, encoders.learned.get(name, ())),
            encoder=encoder,
            penultimate=two,
            merged=encoders.merged,
        )
        for name, encoder, tokenizer in pairs
        if encoder is not None and tokenizer is not None
    )


def find_t5(encoders: TextEncoders) -> T5Part | None:
    if encoders.joint_width is None:
        return None
    return T5Part(encoders.joint_width, encoders.text_encoder_3, encoders.tokenizer_3)


class EncodingCache:
    """Chunks that were encoded before, least recently used out first. Held by the caller, for one thread at a time.

    An entry counts for one text encoder object with its LoRAs and embeddings as they were. Whoever changes other weights in
    place must ``clear``.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[Hashable, ...], tuple[weakref.ref[torch.nn.Module], torch.Tensor]] = OrderedDict()

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()

    def get(self, encoder: torch.nn.Module, key: tuple[Hashable, ...], make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The result of ``make``, cached on the CPU by ``encoder`` and ``key``."""
        whole = (id(encoder), *key)
        held = self._held.get(whole)
        if held is None or held[0]() is not encoder:
            held = weakref.ref(encoder), make().cpu()
            self._held[whole] = held
        self._held.move_to_end(whole)
        self._shrink()
        return held[1]

    def _shrink(self) -> None:
        while len(self._held) > 1 and sum(t.nbytes for _, t in self._held.values()) > self._limit:
            self._held.popitem(last=False)


@dataclass(frozen=True)
class Encoder:
    """Encodes readings with the text encoders of one pipeline."""

    parts: tuple[TextPart, ...]
    clip_skip: int
    cache: EncodingCache
    guard: Guard | None = None
    t5: T5Part | None = None

    def encode(self, readings: Sequence[PromptReading], chunks: int = 0) -> Encoding:
        """One prompt, read once by each part's tokenizer, padded with empty chunks to at least ``chunks``."""
        chunks = max(chunks, *(len(reading.chunks) for reading in readings))
        wide = [self._part(part, reading, chunks) for part, reading in zip(self.parts, readings, strict=True)]
        if self.t5 is not None:
            pools = [self._pool(part, reading.chunks[0]) for part, reading in zip(self.parts, readings, strict=True)]
            embeds = self.t5.fit(torch.cat(wide, dim=-1), self._read_with_t5(self.t5, readings[0]))
            return Encoding(embeds, torch.cat(pools, dim=-1))
        last = self.parts[-1]
        pooled = self._pool(last, readings[-1].chunks[0]) if last.penultimate else None
        return Encoding(torch.cat(wide, dim=-1), pooled)

    def _read_with_t5(self, t5: T5Part, reading: PromptReading) -> torch.Tensor:
        encoder = t5.encoder
        if encoder is None:
            return t5.zeros()
        ids = t5.read(reading)

        def make() -> torch.Tensor:
            return self.guard.run("text_encoder_3", encoder, lambda _dtype: t5.run(ids)) if self.guard else t5.run(ids)

        return self.cache.get(encoder, ("t5", str(encoder.dtype), tuple(ids)), make)

    def _part(self, part: TextPart, reading: PromptReading, chunks: int) -> torch.Tensor:
        padded = [*reading.chunks, *[()] * (chunks - len(reading.chunks))]
        return torch.cat([apply_weights(self._states(part, chunk), chunk) for chunk in padded], dim=1)

    def _states(self, part: TextPart, chunk: Chunk) -> torch.Tensor:
        """Hidden states of a chunk, unweighted: 1 x tokens x width, float32."""
        return self._run(part, chunk, "states", lambda outputs: hidden_states(part, outputs, self.clip_skip))

    def _pool(self, part: TextPart, chunk: Chunk) -> torch.Tensor:
        """The state of the end token, which is after the chunk's last token, projected if the encoder does that: 1 x width,
        float32."""
        end, projects = len(chunk) + 1, isinstance(part.encoder, CLIPTextModelWithProjection)
        project = part.encoder.get_submodule("text_projection") if projects else torch.nn.Identity()
        return self._run(part, chunk, "pooled", lambda output: project(output.last_hidden_state[:, end]))

    def _run(self, part: TextPart, chunk: Chunk, what: str, read: Callable[[TextEncoderOutput], torch.Tensor]) -> torch.Tensor:
        ids = chunk_ids(part.tokenizer, chunk)

        def call(_dtype: torch.dtype) -> torch.Tensor:
            with torch.inference_mode():
                batch = torch.tensor([ids], device=find_execution_device(part.encoder))
                return read(part.encoder(batch, output_hidden_states=True)).float()

        def make() -> torch.Tensor:
            return self.guard.run(part.name, part.encoder, call) if self.guard else call(torch.float32)

        return self.cache.get(part.encoder, (what, self.clip_skip, part.state(chunk), tuple(ids)), make)


def hidden_states(part: TextPart, outputs: TextEncoderOutput, clip_skip: int) -> torch.Tensor:
    """The layer that the UNet was trained on, or ``clip_skip`` layers from the end (1 is the last)."""
    if part.penultimate:
        return outputs.hidden_states[-max(clip_skip, 2)]
    layer = max(clip_skip - CUT_LAYERS.get(part.encoder.config.num_hidden_layers, 0), 1)
    if layer == 1:
        return outputs.last_hidden_state
    norm = next(module for name, module in part.encoder.named_modules() if name.endswith("final_layer_norm"))
    return norm(outputs.hidden_states[-layer])


def chunk_ids(tokenizer: PromptTokenizer, chunk: Chunk) -> list[int]:
    """A chunk as the encoder takes it: start, tokens, end, and padding to the tokenizer's length."""
    ids = [tokenizer.start_id, *(token.id for token in chunk), tokenizer.end_id]
    return ids + [tokenizer.pad_id] * (tokenizer.max_length - len(ids))


def apply_weights(states: torch.Tensor, chunk: Chunk) -> torch.Tensor:
    """``states`` (1 x tokens x width) times the weights of ``chunk``, with the mean that they had; see the top of this file."""
    if all(token.weight == 1 for token in chunk):
        return states
    weights = torch.ones(states.shape[1])
    weights[1 : len(chunk) + 1] = torch.tensor([token.weight for token in chunk])
    changed = states * weights[None, :, None]
    scale = (states.mean() / changed.mean()).item()
    least, most = SENSIBLE_SCALE
    return changed * scale if least <= scale <= most else changed


def _digest(tensors: Iterable[torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
