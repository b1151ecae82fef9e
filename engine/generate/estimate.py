"""Before a run: its plan on this machine, whether it fits, and about how long it takes. Does not import torch, for the page."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import engine.preferences as preferences
from engine.checkpoints.control.shape import CONTROL_LORA
from engine.checkpoints.identify.tiny_vae import TINY_VAE
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import DoesNotFit
from engine.events import Step
from engine.plan import Budget, Hardware, Layout, Work, choose, find_budget, fit_plan
from engine.plan.learned import PLENTY, Circumstance, LearnedFacts, apply_learned
from engine.plan.memory import CONTROL, REFINER
from engine.plan.pipeline_memory import fit_pipeline, predict_pipeline
from engine.plan.remedies import apply_remedies, read_result
from engine.plan.speed import LEAST_STEPS, speed_for
from engine.plan.timing import TimingKey, estimate_seconds
from engine.prompt.composition import is_composed, split_prompt
from engine.prompt.grammar import parse
from engine.requests import ExecutionPlan, GenerationRequest, ImageToImage, Request, ResolvedGeneration
from engine.settings import Settings

PERTURBED = "pag"
"""The kind of guidance that runs part of the UNet anew in each step."""

COPIED_SHARE = 0.5
"""Share of a UNet's parameters that a ControlNet copies: 0.42 in Stable Diffusion 1 and 2, 0.49 in XL. The file of a Control-LoRA
holds only how the copy differs."""

WORTH_COMPILING = 300_000_000
"""Parameters of a UNet below which compiling takes longer than an image."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """The inputs of a plan besides the checkpoint and the request; as in :class:`engine.generate.engine_state.EngineState`."""

    settings: Settings
    hardware: Hardware
    notes: LearnedFacts
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """``need`` and ``free`` are bytes of the memory that is shortest, ``free`` None if unknown. ``measures`` are sentences on
    what is done to make it fit, ``refusal`` says why it does not. ``seconds`` is for one image, None before the first."""

    need: int = 0
    free: int | None = None
    measures: tuple[str, ...] = ()
    refusal: str = ""
    seconds: float | None = None


def estimate(
    entry: CheckpointEntry,
    request: ResolvedGeneration,
    here: Circumstances,
    refiner: CheckpointEntry | None = None,
    controls: Sequence[CheckpointEntry] = (),
) -> Estimate:
    """Whether ``request`` fits on this machine with its ``refiner`` and the networks of its ``controls``, and how long an image
    takes."""
    plan = plan_for(entry, request, here)
    room = find_budget(here.hardware)
    if entry.family.loaded_by_diffusers:
        return _estimate_pipeline(entry, request, plan, here)
    start = apply_learned(here.notes, entry.hash, here.hardware.device, plan, circumstance_of(request, room))
    try:
        fitting, predicted = fit_plan(
            work_for(entry, request, refiner, controls=controls), start, room, find_cpu_plan(entry, plan, here.hardware)
        )
    except DoesNotFit as refused:
        return Estimate(refusal=str(refused))
    on_device = predicted.peak_device > 0
    return Estimate(
        need=predicted.peak_device if on_device else predicted.peak_ram,
        free=room.device if on_device else room.ram,
        measures=tuple(reason for reason in fitting.reasons if reason not in plan.reasons),
        seconds=estimate_seconds(here.notes, entry.hash, here.hardware.device, course_of(request)),
    )


def _estimate_pipeline(entry: CheckpointEntry, request: ResolvedGeneration, plan: ExecutionPlan, here: Circumstances) -> Estimate:
    """For a checkpoint that runs in diffusers' own pipeline."""
    room = find_budget(here.hardware)
    try:
        fitting = fit_pipeline(entry.parameters, plan, room)
    except DoesNotFit as refused:
        return Estimate(refusal=str(refused))
    return Estimate(
        need=predict_pipeline(entry.parameters, fitting),
        free=room.ram if plan.device == "cpu" else room.device,
        measures=tuple(reason for reason in fitting.reasons if reason not in plan.reasons),
        seconds=estimate_seconds(here.notes, entry.hash, here.hardware.device, course_of(request)),
    )


def course_of(request: ResolvedGeneration) -> TimingKey:
    """The key for the time of one image of ``request``."""
    share = request.strength if isinstance(request, ImageToImage) else 1.0
    return TimingKey(
        width=request.width, height=request.height, steps=count_hires_steps(request) or round(request.steps * share),
        speed=request.speed,
        guided=is_guided(request), parts=count_parts(request) + (request.guidance == PERTURBED),
        controls=sum(control.has_effect for control in request.controls),
    )  # fmt: skip


def count_hires_steps(request: ResolvedGeneration) -> int:
    """How many steps at full size take as long as those of both passes; 0 for an image of one pass."""
    if not request.hires or not request.first_width or not request.first_height:
        return 0
    first = request.steps * request.first_width * request.first_height / (request.width * request.height)
    return max(1, round(first + (request.hires_steps or request.steps) * (request.hires_strength or 0)))


def plan_for(entry: CheckpointEntry, asked: Request, here: Circumstances) -> ExecutionPlan:
    """The plan of this machine for a checkpoint, with what the self-test and earlier runs taught, before memory is looked at."""
    device = here.hardware.device
    plan = apply_remedies(choose_plan(entry, asked, here), read_result(here.settings.data, device).remedies, here.hardware)
    return apply_learned(here.notes, entry.hash, device, plan, PLENTY)


def choose_plan(entry: CheckpointEntry, asked: Request, here: Circumstances) -> ExecutionPlan:
    """The plan by the tables alone."""
    plan = choose(here.hardware, entry.family, overrule=choose_precision(asked, here), measured=here.measured)
    compiled = preferences.read(here.settings.data).compile
    absent = entry.family.optional - entry.parts.keys()
    dtypes = {component: dtype for component, dtype in plan.dtypes.items() if component not in absent}
    skips = isinstance(asked, GenerationRequest) and speed_for(asked.speed, asked.steps or LEAST_STEPS).run_every > 1
    return dataclasses.replace(plan, compiler=_compiler(plan, entry, asked, compiled), dtypes=dtypes, extrapolates=skips)


def circumstance_of(request: ResolvedGeneration, room: Budget) -> Circumstance:
    """What the need for memory measures is learned by."""
    free = room.device if room.device is not None else room.ram
    return Circumstance(pixels=request.width * request.height, free=0 if free is None else free)


def choose_precision(asked: Request, here: Circumstances) -> str:
    """The precision of the request, of the command line, or of the Settings tab, the first of them that is not "auto"."""
    wishes = (asked.precision, here.settings.precision, preferences.read(here.settings.data).precision)
    return next((each for each in wishes if each != "auto"), "auto")


def _compiler(plan: ExecutionPlan, entry: CheckpointEntry, asked: Request, wanted: bool) -> str:
    """The compiler for the networks: used only for large ones and the starter's, and not where weights are packed or some passes
    change layers."""
    plain = not isinstance(asked, GenerationRequest) or not any(control.has_effect for control in asked.controls)
    whole = not isinstance(asked, GenerationRequest) or asked.guidance != PERTURBED
    denoiser = entry.parts.get(plan.denoiser)
    if denoiser is None or denoiser.packed or not whole or entry.family.skip_layers:
        return ""
    is_large = denoiser.parameters >= WORTH_COMPILING
    # OpenVINO's graphs have no inputs for what controls add.
    own = plan.compiler if (is_large or entry.family.is_bundled) and (plain or plan.compiler != "openvino") else ""
    return own or ("inductor" if wanted and is_large else "")


def is_guided(request: Request) -> bool:
    """Whether the negative prompt is predicted too: for guidance, or because the parts of a composed prompt are added to it."""
    return (request.guidance_scale or 0) > 1 or any(is_composed(text) for text in (request.prompt, request.prompt_template or ""))


def count_parts(request: Request) -> int:
    """How many predictions the prompt takes, in the largest of its variants."""
    return max(len(split_prompt(text)) for text in (request.prompt, request.prompt_template or ""))


def find_cpu_plan(entry: CheckpointEntry, plan: ExecutionPlan, hardware: Hardware) -> ExecutionPlan | None:
    """The plan of ``entry`` on the processor, the last rung of the ladder; None if ``plan`` runs there already."""
    processor = next((device for device in hardware.devices if device.kind == "cpu"), None)
    if plan.device == "cpu" or processor is None:
        return None
    return choose(dataclasses.replace(hardware, device=processor), entry.family)


def work_for(
    entry: CheckpointEntry,
    request: ResolvedGeneration,
    refiner: CheckpointEntry | None = None,
    tiny_decoder: CheckpointEntry | None = None,
    controls: Sequence[CheckpointEntry] = (),
) -> Work:
    """The work of one image of a resolved request, for the memory estimate. Decoding counts as the VAE's, which takes more memory
    than that of ``tiny_decoder``."""
    # A LoRA is merged into plain weights.
    unpacked = bool(parse(request.prompt).loras)
    parts = {**entry.parts, **{f"{REFINER}{name}": part for name, part in (refiner.parts if refiner else {}).items()}}
    return Work(
        parameters={
            **{name: part.parameters - (0 if unpacked else part.packed) for name, part in parts.items()},
            **{f"{CONTROL}{number}": count_control(each, entry) for number, each in enumerate(controls)},
            **({TINY_VAE: sum(tiny_decoder.parameters.values())} if tiny_decoder else {}),
        },
        packed={} if unpacked else {name: part.packed_bytes for name, part in parts.items() if part.packed_bytes},
        width=request.width,
        height=request.height,
        guided=is_guided(request),
        parts=count_parts(request),
        layout=Layout.of(entry.config(entry.family.denoiser), entry.config("vae")),
        tile=entry.family.native_size if request.hires else 0,
    )


def count_control(control: CheckpointEntry, entry: CheckpointEntry) -> int:
    """The parameters of a control network in memory beside the denoiser of ``entry``."""
    own, shape = sum(control.parameters.values()), control.identity.control
    is_lora = shape is not None and shape.method == CONTROL_LORA
    return max(own, int(COPIED_SHARE * entry.parameters.get("unet", 0))) if is_lora else own


_SMOOTHING = 0.3
"""Weight of the newest step in the running mean: follows a machine that slows down, forgives one slow step."""

_PREVIEW_EVERY_SECONDS = 0.25
_PREVIEW_SHARE = 0.1
"""Previews may take this share of the time, whatever they cost on this machine."""


class StepProgress:
    """Turns finished steps into :class:`Step` events with an estimate of the seconds left for the whole job.

    ``unit``: what a step is, as in :class:`Step`.
    """

    def __init__(self, job: str, count: int, unit: str = "step") -> None:
        self._job = job
        self._count = count
        self._unit = unit
        self._per_step: float | None = None
        self._last = self._shown = time.monotonic()
        self._preview_took = 0.0
        self._left: dict[int, int] = {}
        """Image -> the steps that it still takes, of those that were begun."""

    def start_image(self) -> None:
        """Start timing the next image, so that decoding and saving do not count as a step."""
        self._last = time.monotonic()

    @property
    def preview_is_due(self) -> bool:
        """Whether it is time for a preview again."""
        return time.monotonic() - self._shown >= max(_PREVIEW_EVERY_SECONDS, self._preview_took / _PREVIEW_SHARE)

    def preview(self, draw: Callable[[], bytes | None]) -> bytes | None:
        """Call ``draw`` and measure its time, on which the interval between previews depends."""
        now = time.monotonic()
        drawn, self._shown = draw(), time.monotonic()
        self._preview_took = self._shown - now
        return drawn

    def step(self, index: int, step: int, steps: int, preview: bytes | None) -> Step:
        """Step ``step`` (1-based) of ``steps`` of image ``index`` (0-based) is done."""
        now = time.monotonic()
        took, self._last = now - self._last, now
        if self._per_step is None:
            self._per_step = took
        else:
            self._per_step += _SMOOTHING * (took - self._per_step)
        self._left[index] = steps - step
        left = sum(self._left.values()) + (self._count - max(self._left) - 1) * steps
        return Step(
            job=self._job,
            index=index,
            count=self._count,
            step=step,
            steps=steps,
            seconds_left=self._per_step * left,
            preview=preview,
            unit=self._unit,
        )
