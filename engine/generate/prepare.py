"""Decides everything before a run starts: the checkpoint and its additions, the plan, every open field."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.checkpoints.adapters.additions import NOTHING, Additions
from engine.checkpoints.adapters.merge import Lora
from engine.checkpoints.families import Family
from engine.checkpoints.library.borrowing import explain_borrowed, list_missing, take_components
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.tiny_decoders import find_tiny_decoder
from engine.checkpoints.library.upscalers import LANCZOS, find_built_in, find_upscaler
from engine.errors import CheckpointError
from engine.generate.control.prepare import PreparedControl, find_controls, hash_controls
from engine.generate.detail.hires_choice import choose_hires, explain_hires, is_network
from engine.generate.engine_state import EngineState, environment
from engine.generate.estimate import circumstance_of, find_cpu_plan, is_guided, plan_for, work_for
from engine.generate.samplers import is_flow_matching
from engine.generate.samplers.few_steps import apply_few_steps
from engine.generate.samplers.sampling import choose_sampling
from engine.plan import fit_plan, lower_peak, predict
from engine.plan.learned import apply_learned
from engine.plan.memory import Work
from engine.plan.speed import SPEEDS
from engine.prompt.block_weights import read_block_weights
from engine.prompt.draw_prompts import draw_again
from engine.prompt.grammar import parse
from engine.prompt.tokenizer import find_words
from engine.prompt.tree import Lora as LoraTag
from engine.prompt.variants import WildcardValues
from engine.requests import (
    GUIDANCES,
    CompareNegative,
    ExecutionPlan,
    GenerationRequest,
    ImageToImage,
    Resolved,
    ResolvedGeneration,
    StudyNegative,
    check,
    complete,
    is_draft,
    request_at,
)
from engine.seeds import draw_seed

ChooseSize = Callable[[int, int], tuple[int, int]]
"""(native size, size multiple) -> width and height in pixels where the request leaves them open."""


@dataclass(frozen=True, kw_only=True)
class Refiner:
    """Which refiner runs, with which plan, and from which share of the steps on."""

    entry: CheckpointEntry
    plan: ExecutionPlan
    start: float

    def under(self, plan: ExecutionPlan, state: EngineState) -> Refiner:
        """The same refiner with the device and the memory measures of ``plan``, that of the checkpoint before it."""
        own = self.plan if plan.device == self.plan.device else find_cpu_plan(self.entry, self.plan, state.hardware)
        assert own is not None, "a plan changes its device for the CPU's alone"
        own = dataclasses.replace(
            own, measures=plan.measures, storage=plan.storage, vae_tile=plan.vae_tile, batch_limit=plan.batch_limit,
            compiler=own.compiler if own.compiler == plan.compiler else "",
        )  # fmt: skip
        return dataclasses.replace(self, plan=own)


@dataclass(frozen=True)
class Prepared:
    """A prepared run, and notices for the user. ``tiny_decoder`` shows the steps, and decodes the image if its speed says so."""

    entry: CheckpointEntry
    resolved: Resolved
    notices: tuple[str, ...]
    inventory: Inventory
    additions: Additions = NOTHING
    refiner: Refiner | None = None
    tiny_decoder: CheckpointEntry | None = None
    controls: tuple[PreparedControl, ...] = ()


def prepare(
    asked: GenerationRequest, choose_size: ChooseSize, state: EngineState, inventory: Inventory | None = None
) -> Prepared:
    """Decide everything that ``asked`` leaves open, with the files in ``inventory``; None scans the catalogue.

    Raises CheckpointError for a missing checkpoint, RequestError for values that cannot be used, and DoesNotFit.
    """
    # 1. The checkpoint, with what the request adds to it.
    inventory = inventory or state.catalogue.scan()
    asked, found, explained = apply_few_steps(asked, inventory.find(asked.checkpoint), inventory)
    entry = found.for_drafts if is_draft(asked) else found
    if entry.family.loaded_by_diffusers:
        raise CheckpointError(f"“{entry.name}” is of a kind that only does text to image here. Choose another checkpoint.")
    additions = find_additions(asked, entry, inventory)
    if additions.vae is not None and "vae" in list_missing(entry):
        entry = take_components(entry, {**entry.borrowed, "vae": additions.vae})
    refiner = _find_refiner(asked, entry, state, inventory)
    controls, not_run = find_controls(asked.controls, entry, inventory)

    # 2. Every open field.
    request, notices = complete_request(asked, entry, choose_size, additions)
    request = _settle_upscaler(asked, request, inventory)

    # 3. The plan, with the measures needed to fit into memory.
    _check_drawn_loras(request, asked.count, entry, state, inventory)
    tiny_decoder = find_tiny_decoder(entry, inventory)
    work = work_for(entry, request, refiner.entry if refiner else None, tiny_decoder, [each.entry for each in controls])
    fitting, measures = _fit(asked, work, entry, state, request)
    decoder = tiny_decoder if SPEEDS[request.speed].tiny_decoder else None
    sources = (*((explain_borrowed(entry),) if entry.borrowed else ()), *_explain_decoder(decoder))
    resolved = Resolved(
        request=request, plan=fitting, threads=state.threads, checkpoint_hash=entry.hash,
        environment={**_environment(state), **_hashes(additions), **_hash_sources(entry, decoder), **hash_controls(controls)},
    )  # fmt: skip
    said = (*explained, *notices, *not_run, *explain_unused(request, additions), *sources, *measures)
    later = refiner.under(fitting, state) if refiner else None
    return Prepared(entry, resolved, said, inventory, additions, later, tiny_decoder, controls)


def _environment(state: EngineState) -> dict[str, str]:
    return environment(state.hardware.device.name or state.hardware.device.kind)


def _fit(
    asked: GenerationRequest, work: Work, entry: CheckpointEntry, state: EngineState, request: ResolvedGeneration
) -> tuple[ExecutionPlan, tuple[str, ...]]:
    """The plan that fits into memory, and a sentence for each measure that it takes."""
    plan = plan_for(entry, asked, state.circumstances)
    cpu_plan = find_cpu_plan(entry, plan, state.hardware)
    start = apply_learned(state.notes, entry.hash, state.hardware.device, plan, circumstance_of(request, state.budget))
    fitting, _ = fit_plan(work, start, state.budget, cpu_plan)
    if state.sparing and fitting.measures == start.measures:
        fitting = lower_peak(fitting, work, cpu_plan)
    return fitting, tuple(reason for reason in fitting.reasons if reason not in plan.reasons)


def request_image(resolved: Resolved, index: int, wildcards: WildcardValues) -> Resolved:
    """The request of image ``index`` of a job, with prompts of its own if they are drawn from templates."""
    first = resolved.request
    return dataclasses.replace(resolved, request=draw_again(request_at(first, index), first.seed, wildcards))


def vary(resolved: Resolved, prepared: Prepared) -> tuple[Resolved, Additions, tuple[str, ...]]:
    """An image of a prepared job: how it is made, what its prompts add to the checkpoint, and further notices."""
    request = resolved.request
    if not (request.prompt_template or request.negative_template):
        return resolved, prepared.additions, ()
    additions = find_additions(request, prepared.entry, prepared.inventory)
    hashes, common = _hashes(additions), _hashes(prepared.additions)
    kept = {name: value for name, value in resolved.environment.items() if name not in common}
    notices = (text for text in explain_unused(request, additions) if text not in prepared.notices)
    return dataclasses.replace(resolved, environment={**kept, **hashes}), additions, tuple(notices)


def _check_drawn_loras(
    first: ResolvedGeneration, count: int, entry: CheckpointEntry, state: EngineState, inventory: Inventory
) -> None:
    """Raises CheckpointError if a LoRA that images of a job draw from templates is missing."""
    if not first.prompt_template:
        return
    wildcards = state.wildcards
    images = (draw_again(request_at(first, index), first.seed, wildcards) for index in range(count))
    tags = {tag for request in images for tag in parse(request.prompt).loras}
    for tag in tags:
        _find_lora(tag, entry, inventory)


def fits(prepared: Prepared, state: EngineState, batch: int) -> bool:
    """Whether ``batch`` images at once fit into memory under the current plan."""
    plan = prepared.resolved.plan
    if 0 < plan.batch_limit < batch:
        return False
    refiner = prepared.refiner.entry if prepared.refiner else None
    controls = [each.entry for each in prepared.controls]
    work = work_for(prepared.entry, prepared.resolved.request, refiner, prepared.tiny_decoder, controls)
    work = dataclasses.replace(work, batch=batch)
    return state.budget.holds(predict(work, plan))


def complete_request(
    asked: GenerationRequest, entry: CheckpointEntry, choose_size: ChooseSize, additions: Additions = NOTHING
) -> tuple[ResolvedGeneration, tuple[str, ...]]:
    """The first image's request with every field decided, and a sentence for each changed value. Raises RequestError for
    values that cannot be used.
    """
    check(asked)
    defaults = _defaults_for(asked, entry.family)
    sampling = choose_sampling(asked, defaults, entry, additions)
    native_width, native_height = choose_size(defaults.native_size, defaults.size_multiple)
    largest = _find_largest_side(entry)
    width, width_notice = _fit_side("width", asked.width, native_width, defaults.size_multiple, largest)
    height, height_notice = _fit_side("height", asked.height, native_height, defaults.size_multiple, largest)
    guidance, guidance_notice = _choose_guidance(asked, entry)
    request = complete(
        dataclasses.replace(asked, guidance=guidance, variation_seed=_choose_variation(asked)),
        checkpoint=entry.name,
        width=width,
        height=height,
        steps=sampling.steps,
        guidance_scale=float(defaults.guidance_scale if asked.guidance_scale is None else asked.guidance_scale),
        guidance_rescale=defaults.guidance_rescale if asked.guidance_rescale is None else asked.guidance_rescale,
        scheduler=sampling.pair.sampler,
        schedule=sampling.pair.schedule,
        seed=draw_seed() if asked.seed is None else asked.seed,
        clip_skip=asked.clip_skip or 0,
    )
    request, second = _choose_passes(asked, request, defaults, entry, additions)
    notices = (
        width_notice, height_notice, *sampling.notices, guidance_notice, _explain_guidance(request),
        explain_hires(asked, request), *second,
    )  # fmt: skip
    return request, tuple(notice for notice in notices if notice)


def _choose_variation(asked: GenerationRequest) -> int | None:
    """The seed of the variation, drawn where there is one and it was left open."""
    is_open = asked.variation_strength > 0 and asked.variation_seed is None
    return draw_seed() if is_open else asked.variation_seed


def _choose_passes(
    asked: GenerationRequest, request: ResolvedGeneration, defaults: Family, entry: CheckpointEntry, additions: Additions
) -> tuple[ResolvedGeneration, tuple[str, ...]]:
    """``request`` with one pass or two, and sentences on the sampling of the second."""
    request = choose_hires(asked, request, defaults.native_size, defaults.size_multiple)
    if not request.hires:
        return request, ()
    own = asked.hires_scheduler
    second = dataclasses.replace(
        asked, steps=request.hires_steps, scheduler=own or request.scheduler,
        schedule=asked.hires_schedule or (None if own else request.schedule),
    )  # fmt: skip
    sampling = choose_sampling(second, defaults, entry, additions)
    chosen = dataclasses.replace(
        request, hires_steps=sampling.steps, hires_scheduler=sampling.pair.sampler, hires_schedule=sampling.pair.schedule,
        hires_guidance_scale=request.guidance_scale if request.hires_guidance_scale is None else request.hires_guidance_scale,
    )  # fmt: skip
    return chosen, sampling.notices if own else ()


def _settle_upscaler(asked: GenerationRequest, request: ResolvedGeneration, inventory: Inventory) -> ResolvedGeneration:
    """``request`` with an upscaler between two passes that is there: Lanczos where the built-in one is missing. Raises
    CheckpointError for one that was asked for and is not there."""
    if not request.hires or not is_network(request.hires_upscaler or ""):
        return request
    if not asked.hires_upscaler and find_built_in(inventory.of_kind("upscaler")) is None:
        return dataclasses.replace(request, hires_upscaler=LANCZOS)
    find_upscaler(request.hires_upscaler, inventory)
    return request


def _choose_guidance(asked: GenerationRequest, entry: CheckpointEntry) -> tuple[str, str]:
    """The kind of guidance, and a sentence if the checkpoint cannot run the one that was asked for."""
    usual = GUIDANCES[0]
    if asked.guidance == "cfg_zero" and not is_flow_matching(entry.config("scheduler")):
        return usual, "CFG-Zero* is for checkpoints of flow matching, such as Stable Diffusion 3.5, so the usual guidance runs."
    if asked.guidance == "pag" and "unet" not in entry.parameters:
        return usual, "PAG changes the attention of a UNet, which this checkpoint does not have, so the usual guidance runs."
    if asked.guidance == "slg" and entry.family.skip_layers is None:
        return usual, "Skip-layer guidance is published for Stable Diffusion 3.5 Medium alone, so the usual guidance runs."
    return asked.guidance, ""


def _explain_guidance(request: ResolvedGeneration) -> str:
    """A sentence for a kind of guidance that has no effect."""
    if request.guidance in ("apg", "cfg_zero", "slg") and not is_guided(request):
        return "This kind of guidance changes how the negative prompt guides, so at a CFG scale of 1 or less it has no effect."
    return ""


def find_additions(request: GenerationRequest, entry: CheckpointEntry, inventory: Inventory) -> Additions:
    """The additions that ``request`` names. Raises CheckpointError for a missing LoRA or VAE. An embedding is used if its
    file's name is a word of either prompt; the name of one for another family is an ordinary word.
    """
    loras = tuple(_find_lora(tag, entry, inventory) for tag in parse(request.prompt).loras)
    prompts = f"{parse(request.prompt).text}\n{parse(request.negative_prompt).text}"
    base = entry.family.base.name if entry.family.base else ""
    embeddings = tuple(
        embedding
        for embedding in inventory.of_kind("embedding")
        if embedding.identity.family in ("", base) and find_words([embedding.word]).search(prompts)
    )
    return Additions(loras=loras, embeddings=embeddings, vae=inventory.find(request.vae, "vae") if request.vae else None)


def _defaults_for(asked: GenerationRequest, family: Family) -> Family:
    """The family with its defaults for this kind of request."""
    if isinstance(asked, ImageToImage):
        return family.for_image_to_image
    return family.for_negative_study if isinstance(asked, CompareNegative | StudyNegative) else family


def _find_largest_side(entry: CheckpointEntry) -> int | None:
    """The most pixels along a side for which the checkpoint's transformer knows positions; None where there is no limit."""
    if not {"transformer", "vae"} <= entry.parts.keys():
        return None
    transformer, blocks = entry.config("transformer"), entry.config("vae").get("block_out_channels")
    most, patch = transformer.get("pos_embed_max_size"), transformer.get("patch_size")
    if not (isinstance(most, int) and isinstance(patch, int) and isinstance(blocks, list)):
        return None
    return most * patch * 2 ** (len(blocks) - 1)


def _fit_side(name: str, asked: int | None, default: int, multiple: int, largest: int | None) -> tuple[int, str]:
    """A side in pixels that the checkpoint can generate, and a sentence if that differs from the request."""
    if asked is None:
        return default, ""
    if largest is not None and asked > largest:
        side = largest // multiple * multiple
        return side, f"The {name} is {side} instead of {asked}: this checkpoint draws at most {largest} pixels along a side."
    side = max(multiple, round(asked / multiple) * multiple)
    if side == asked:
        return side, ""
    return side, f"The {name} is {side} instead of {asked}: this checkpoint draws sizes that are multiples of {multiple}."


def _find_refiner(asked: GenerationRequest, entry: CheckpointEntry, state: EngineState, inventory: Inventory) -> Refiner | None:
    if not asked.refiner or asked.refiner_start >= 1:
        return None
    found = inventory.find(asked.refiner)
    check_pair(entry, found)
    return Refiner(entry=found, plan=plan_for(found, asked, state.circumstances), start=asked.refiner_start)


def check_pair(entry: CheckpointEntry, refiner: CheckpointEntry) -> None:
    """Raises CheckpointError unless ``refiner`` is a refiner that works on the latents of ``entry``."""
    if not refiner.family.is_refiner:
        raise CheckpointError(f"“{refiner.name}” is {refiner.family.label}, not a refiner. Choose an XL refiner, or none.")
    if entry.family.noise_schedule is not None and entry.family.noise_schedule.continuous:
        raise CheckpointError(
            f"“{entry.name}” was trained on other noise levels (EDM) than “{refiner.name}”, which cannot take over from it. "
            "Choose no refiner, or another checkpoint."
        )
    if entry.family.base != refiner.family.base:
        raise CheckpointError(
            f"“{refiner.name}” refines pictures of Stable Diffusion XL, and “{entry.name}” is {entry.family.label}. "
            "Choose an XL checkpoint, or no refiner."
        )


def _find_lora(tag: LoraTag, entry: CheckpointEntry, inventory: Inventory) -> Lora:
    try:
        found = inventory.find(tag.name, "lora")
    except CheckpointError as error:
        raise CheckpointError(f"{error} Or take its tag <lora:{tag.name}> out of the prompt.") from error
    levels = entry.family.base.unet_levels if entry.family.base else 4
    return Lora(
        entry=found,
        text_strength=tag.weight,
        unet_strength=tag.weight if tag.unet_weight is None else tag.unet_weight,
        block_weights=tuple(read_block_weights(tag.block_weights, levels=levels).items()),
    )


_NAMED_EMBEDDING = re.compile(r"(?<!\w)embedding:([^\s,:()\[\]]+)", re.IGNORECASE)


def explain_unused(request: GenerationRequest, additions: Additions) -> tuple[str, ...]:
    """A sentence for each tag of the prompts that Easel does not know, and each embedding that is named and not there."""
    prompts = [parse(request.prompt), parse(request.negative_prompt)]
    tags = dict.fromkeys(tag for prompt in prompts for tag in prompt.unknown_tags)
    words = [embedding.word for embedding in additions.embeddings]
    others = (find_words(words).sub("", prompt.text) if words else prompt.text for prompt in prompts)
    unused = dict.fromkeys((lora.name, word) for lora in prompts[0].loras for word in lora.unused)
    missing = dict.fromkeys(name for text in others for name in _NAMED_EMBEDDING.findall(text))
    return (
        *(f"“{tag[:100]}” is nothing that Easel knows, so it was left out of the prompt." for tag in tags),
        *(f"There is no embedding called “{name[:100]}” for this checkpoint: its name was read as words." for name in missing),
        *(
            f"“{word[:100]}” in the tag of the LoRA “{name}” is nothing that Easel knows, so it has no effect."
            for name, word in unused
        ),
    )


def _hash_sources(entry: CheckpointEntry, decoder: CheckpointEntry | None) -> dict[str, str]:
    """For the image's record: where the components came from that the checkpoint's file lacks, and what decodes in place of the
    VAE."""
    return {f"{component} of {lender.name}": lender.hash[:10] for component, lender in entry.borrowed.items()} | _hash(decoder)


def _explain_decoder(decoder: CheckpointEntry | None) -> tuple[str, ...]:
    """A sentence for a decoder in place of the VAE."""
    if decoder is None:
        return ()
    return (f"Speed is Draft, so “{decoder.name}” (TAESD) decodes: sooner than the VAE, with less fine detail.",)


def _hash(entry: CheckpointEntry | None) -> dict[str, str]:
    """For the image's record: the decoder in place of the VAE."""
    return {f"{entry.identity.kind} {entry.name}": entry.hash[:10]} if entry else {}


def _hashes(additions: Additions) -> dict[str, str]:
    """For the image's record: what each addition was, by kind and name."""
    entries = [*(lora.entry for lora in additions.loras), *additions.embeddings, *([additions.vae] if additions.vae else [])]
    return {f"{entry.identity.kind} {entry.name}": entry.hash[:10] for entry in entries}
