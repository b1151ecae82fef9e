"""XL's second expert: a refiner, trained on little noise alone, takes over for the last steps.

Podell et al. 2023, arXiv 2307.01952, section 2.5. Both work on the same latents with the same sampler, so nothing is decoded in
between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from engine.checkpoints.families import IMAGE
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.compat.stop_hooks import raise_on_stop
from engine.generate.denoise import Denoiser, condition_on_size
from engine.generate.engine_state import EngineState
from engine.generate.out_of_memory import lend_text_encoders, phase
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.prepare import Refiner
from engine.generate.speed.compile import CompiledRun, run_compiled
from engine.prompt.encoding.encode import PromptEncodings, encode_pair
from engine.prompt.encoding.text_encoders import EncodingCache, Guard
from engine.requests import ResolvedGeneration
from engine.stopping import Stop

EncodingKey = tuple[str, str, int, bool]
"""Prompt, negative prompt, the steps, and whether they are guided."""


@dataclass(frozen=True, kw_only=True)
class LoadedRefiner:
    """A leased refiner. ``start`` is as in :class:`engine.generate.prepare.Refiner`; ``compiled`` computes its UNet."""

    loaded: LoadedCheckpoint
    device: torch.device
    guard: PrecisionGuard
    cache: EncodingCache
    start: float
    compiled: CompiledRun
    encodings: dict[EncodingKey, PromptEncodings] = field(default_factory=dict[EncodingKey, PromptEncodings])

    def encode(self, requests: Sequence[ResolvedGeneration]) -> list[PromptEncodings]:
        """The encodings of the prompts of ``requests``, each once; in one block, as
        :meth:`engine.generate.attempt.Attempt.encode`."""
        with phase("encode"), lend_text_encoders(self.loaded, self.loaded.plan, self.guard) as guard:
            return [self._find_encodings(request, guard) for request in requests]

    def _find_encodings(self, request: ResolvedGeneration, guard: Guard) -> PromptEncodings:
        key = request.prompt, request.negative_prompt, request.steps, request.guidance_scale > 1
        if key not in self.encodings:
            self.encodings[key] = encode_pair(
                self.loaded,
                request.prompt,
                request.negative_prompt,
                steps=request.steps,
                clip_skip=request.clip_skip,
                guidance=request.guidance_scale > 1,
                cache=self.cache,
                guard=guard,
            )
        return self.encodings[key]

    def join(self, base: Denoiser, request: ResolvedGeneration) -> None:
        """Have ``base`` hand over to this refiner for the timesteps below its start."""
        (encodings,) = self.encode([request])
        base.refiner = dataclasses.replace(
            base, network=self.loaded.denoiser, device=self.device, encodings=encodings, guard=self.guard,
            extrapolation=base.extrapolation and dataclasses.replace(base.extrapolation), controls=None,
            size=condition_on_size(self.loaded, request.width, request.height),
        )  # fmt: skip
        base.refine_below = round(base.scheduler.config["num_train_timesteps"] * (1 - self.start))


@contextmanager
def lease_refiner(refiner: Refiner | None, state: EngineState, stop: Stop) -> Generator[LoadedRefiner | None]:
    """The refiner, leased while the block runs; None for none."""
    if refiner is None:
        yield None
        return
    with (
        state.cache.lease(refiner.entry, refiner.plan, IMAGE, cancelled=stop.is_set) as loaded,
        PrecisionGuard() as guard,
        run_compiled(loaded, refiner.plan, stop, state.settings.data, decodes=False) as compiled,
        raise_on_stop(stop, None if compiled.networks else loaded.denoiser, loaded.text_encoder_2),
    ):
        yield LoadedRefiner(
            loaded=loaded, device=torch.device(refiner.plan.device), guard=guard, cache=state.encodings, start=refiner.start,
            compiled=compiled,
        )  # fmt: skip
