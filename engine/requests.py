"""What is asked of the engine, as frozen values.

A request holds everything that affects the picture. It comes in two types. The *asked* one (:class:`TextToImage`) leaves
fields open: ``None`` means "choose for me". The *resolved* one (:class:`Resolved`) has every field set, seed, plan and
threads included, so the same resolved request gives the same picture on the same machine.

Both are written as JSON and read back into equal values: ``from_json(to_json(request)) == request``.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import RequestError

MAX_SEED = 2**63 - 1
"""Seeds are 0 to this, both included: what torch's CPU generator takes."""

DTYPES = ("float32", "bfloat16", "float16")
"""The precisions that a component can have, the safest first."""

SPEEDS = ("exact", "balanced", "draft")
"""Names of :data:`engine.plan.speed.SPEEDS`, the exact one first."""


@dataclass(frozen=True, kw_only=True)
class TextToImage:
    """A picture from words alone.

    ``width`` and ``height`` are pixels. ``steps`` counts denoising steps. ``guidance_scale`` (CFG scale) of 1 or less runs
    without guidance. ``seed`` is 0 to :data:`MAX_SEED`; picture *i* of ``count`` uses ``seed + i``. ``checkpoint`` is a
    name from the catalogue or a path; ``scheduler`` a name from :data:`engine.generate.samplers.SCHEDULERS`.
    ``precision`` overrules the plan: ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``. ``vae`` names a separate VAE
    to decode with. ``refiner`` names an XL refiner, which takes over after the share ``refiner_start`` (0..1) of the steps.
    ``speed`` is one of :data:`SPEEDS`: all but ``"exact"`` leave work out and change the picture.
    LoRAs and embeddings are named in the prompts. ``upscaler`` names what makes each finished picture four times as large, which
    is kept beside it (see :class:`Upscale`); "" for nothing. Comparisons and drafts are never enlarged.
    """

    prompt: str = ""
    negative_prompt: str = ""
    checkpoint: str | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    seed: int | None = None
    count: int = 1
    clip_skip: int | None = None
    precision: str = "auto"
    vae: str | None = None
    refiner: str | None = None
    refiner_start: float = 0.8
    speed: str = "exact"
    upscaler: str = ""


@dataclass(frozen=True, kw_only=True)
class ImageToImage(TextToImage):
    """A picture from a sketch or a photo, and words.

    Pictures are named by the content hash under which :mod:`engine.storage.blobs` keeps them. ``strength`` (0..1) is the
    share of the steps that run: 0 gives the fitted input back, 1 is text to image. ``fit`` says how the input meets the
    size: ``"crop"``, ``"pad"`` or ``"stretch"``. ``mask_image``, of the input's size, is white where the picture is to be
    repainted; ``feather`` is the width of its soft edge in pixels of the result. ``only_masked`` works on the masked region
    alone, at full size, with ``padding`` pixels around it. ``depth_image`` replaces the estimated depth of a depth checkpoint.
    ``paper`` (``"#rrggbb"``) shows through transparent parts and around a padded picture. ``strengths``, if any, are those
    of the ``count`` pictures one after the other, all from the same seed. A ``draft`` is looked at and not kept: its picture
    lies in :attr:`engine.settings.Settings.drafts` for a while.
    """

    init_image: str
    strength: float = 0.75
    fit: str = "crop"
    paper: str = "#ffffff"
    mask_image: str | None = None
    feather: int = 8
    only_masked: bool = False
    padding: int = 32
    depth_image: str | None = None
    strengths: tuple[float, ...] = ()
    draft: bool = False


@dataclass(frozen=True, kw_only=True)
class CompareNegative(TextToImage):
    """One picture twice: with its negative prompt and without it, all else the same. ``count`` is not used."""


@dataclass(frozen=True, kw_only=True)
class StudyNegative(TextToImage):
    """What each term of a negative prompt does: a picture for each with that term silent, all else the same.

    The first ``max_terms`` terms are tried. ``silenced`` is empty when asked; in the record of a picture it names the places
    (first character, the one after the last) of the negative prompt that said nothing. ``count`` is not used.
    """

    max_terms: int = 12
    silenced: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Upscale(TextToImage):
    """Pictures made larger, each for itself; there is one result an input, and ``count`` stays 1.

    ``images`` are content hashes. ``checkpoint`` is an upscaler: None for the built-in one, ``"lanczos"``, or a name from the
    catalogue. ``factor`` (1..16) multiplies both sides. ``cleaning`` (0..1) is how much the built-in one takes noise and
    compression for such. ``tile`` is the side of a tile in pixels of the input, 0 to let Easel choose. For the Stable Diffusion
    upscaler ``noise_level`` (0..350) is how far the input may be departed from, and all inputs have the same ``seed``.
    The sides of a result are in ``width`` and ``height`` once it is resolved.
    """

    images: tuple[str, ...]
    factor: float = 4.0
    cleaning: float = 0.0
    noise_level: int = 20
    tile: int = 0


Request = TextToImage
"""Any asked request: every kind has at least these fields. The kinds are in :data:`KINDS`."""

FITS = ("crop", "pad", "stretch")

KINDS: dict[str, type[Request]] = {
    "text_to_image": TextToImage,
    "image_to_image": ImageToImage,
    "compare_negative": CompareNegative,
    "study_negative": StudyNegative,
    "upscale": Upscale,
}
"""The name of each kind of request, as written in files and in the journal."""


@dataclass(frozen=True, kw_only=True)
class ExecutionPlan:
    """How a checkpoint runs on this machine: the decision, not the facts.

    ``device`` is a torch device string. ``dtypes`` maps a component (``"unet"``, ``"vae"``, ``"text_encoder"``,
    ``"text_encoder_2"``) to ``"float32"``, ``"bfloat16"`` or ``"float16"``. ``reasons`` says why, a sentence each.
    ``measures`` names what is done to save memory (:data:`engine.plan.ladder.RUNGS`): ``storage`` maps a component to the
    dtype its weights are kept in where that is not the one it computes in, ``vae_tile`` is the side of the tiles that the
    VAE decodes in pixels (0: whole pictures, else also one picture at a time), ``batch_limit`` the most pictures at once
    (0: no limit). ``compiler`` names what compiles the networks (:data:`engine.generate.speed.compile.COMPILERS`), "" for none.
    """

    device: str = "cpu"
    dtypes: Mapping[str, str] = field(default_factory=dict)
    channels_last: bool = True
    attention_upcast: bool = False
    reasons: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    storage: Mapping[str, str] = field(default_factory=dict)
    vae_tile: int = 0
    batch_limit: int = 0
    compiler: str = ""

    def dtype(self, component: str) -> str:
        """The dtype of a component; ``"float32"`` for one that the plan does not name."""
        return self.dtypes.get(component, "float32")


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """One picture, fully decided: the request with no field left open, and how it was run.

    ``request`` has ``count == 1`` and every optional field set. ``checkpoint_hash`` is the SHA-256 of the checkpoint's
    headers (see :mod:`engine.checkpoints.library.catalogue`), ``checkpoint_sha256`` that of its whole file where it was known
    by then.
    ``environment`` names the versions that a difference can come from.
    """

    request: Request
    plan: ExecutionPlan
    threads: int
    batch_size: int = 1
    checkpoint_hash: str = ""
    checkpoint_sha256: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limit:
    """The values that a number may have, both ends included, and the words for it in a sentence."""

    least: float
    most: float
    name: str
    why: str = ""


LIMITS: dict[str, Limit] = {
    "width": Limit(8, 16384, "The width", "pixels"),
    "height": Limit(8, 16384, "The height", "pixels"),
    "steps": Limit(1, 1000, "Steps", "checkpoints are trained on 1000 noise levels; 20 to 50 is usual"),
    "guidance_scale": Limit(0, 100, "The CFG scale", "5 to 12 is usual"),
    "seed": Limit(0, MAX_SEED, "The seed", "leave it empty for a random one"),
    "count": Limit(1, 1000, "The number of pictures"),
    "clip_skip": Limit(0, 11, "Clip skip", "0 or 1 means the last layer"),
    "refiner_start": Limit(0, 1, "The refiner's start", "a share of the steps; 0.8 is usual"),
    "strength": Limit(0, 1, "The denoising strength", "0 keeps the picture, 1 forgets it"),
    "feather": Limit(0, 512, "The feather", "pixels"),
    "padding": Limit(0, 2048, "The padding around the mask", "pixels"),
    "max_terms": Limit(1, 100, "The number of terms to try", "each is a picture"),
    "factor": Limit(1, 16, "The factor", "4 makes both sides four times as long"),
    "cleaning": Limit(0, 1, "The strength for cleaning", "0 keeps everything, 1 cleans most"),
    "noise_level": Limit(0, 350, "The noise level", "20 is usual; more invents more"),
    "tile": Limit(0, 4096, "The tile", "pixels of the input; 0 lets Easel choose"),
}
MAX_PROMPT = 50_000
"""Characters that a prompt or a negative prompt may have."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def check(request: Request) -> None:
    """Raises RequestError, one sentence, for the first value that no checkpoint could honour."""
    for name, limit in LIMITS.items():
        value = getattr(request, name, None)
        if value is not None and not (math.isfinite(value) and limit.least <= value <= limit.most):
            because = f" ({limit.why})" if limit.why else ""
            raise RequestError(f"{limit.name} must be from {limit.least} to {limit.most}{because}. It was {value}.")
    for name, text in (("prompt", request.prompt), ("negative prompt", request.negative_prompt)):
        if len(text) > MAX_PROMPT:
            raise RequestError(f"The {name} has {len(text):,} characters; Easel reads up to {MAX_PROMPT:,}. Shorten it.")
    if isinstance(request, ImageToImage):
        _check_picture(request)
    if isinstance(request, Upscale) and not request.images:
        raise RequestError("There is no picture to enlarge. Choose one or more first.")
    if request.precision not in ("auto", *DTYPES):
        raise RequestError(f"Precision can be auto, {', '.join(DTYPES)}. It was {request.precision!r}.")
    if request.speed not in SPEEDS:
        raise RequestError(f"Speed can be {', '.join(SPEEDS)}. It was {request.speed!r}.")


def _check_picture(request: ImageToImage) -> None:
    if request.fit not in FITS:
        raise RequestError(f"A picture can be fitted by {', '.join(FITS)}. It was {request.fit!r}.")
    if not _COLOUR.fullmatch(request.paper):
        raise RequestError(f"The paper's colour is written like #ffffff. It was {request.paper!r}.")
    if request.strengths and len(request.strengths) != request.count:
        raise RequestError(f"{request.count} pictures cannot have {len(request.strengths)} strengths. Give one for each picture.")
    for strength in request.strengths:
        check(dataclasses.replace(request, strength=strength, strengths=()))


def single(request: Request, index: int) -> Request:
    """What asks for picture ``index`` of a request alone: the seed, which must be set, moved on, or the next strength."""
    if isinstance(request, ImageToImage) and request.strengths:
        return dataclasses.replace(request, count=1, strength=request.strengths[index], strengths=())
    assert request.seed is not None, "a resolved request has a seed"
    return dataclasses.replace(request, count=1, seed=request.seed + index)


def is_draft(request: Request) -> bool:
    """Whether its picture is looked at and not kept."""
    return isinstance(request, ImageToImage) and request.draft


def to_json(request: Request) -> dict[str, Any]:
    """``request`` as a JSON object, its kind under ``"kind"``."""
    kind = next(name for name, cls in KINDS.items() if type(request) is cls)
    return {"kind": kind, **dataclasses.asdict(request)}


def from_json(written: Mapping[str, Any]) -> Request:
    """The request that :func:`to_json` wrote. Fields that this version does not know are ignored.

    Raises RequestError if the kind is unknown or a field has the wrong shape.
    """
    cls = KINDS.get(str(written.get("kind")))
    if cls is None:
        raise RequestError(f"This version of Easel does not know requests of the kind {written.get('kind')!r}. Update Easel.")
    known = {f.name for f in dataclasses.fields(cls)}
    try:
        return cls(**{name: _frozen(value) for name, value in written.items() if name in known})
    except TypeError as error:
        raise RequestError(f"This request is damaged and cannot be read: {error}.") from error


def resolved_to_json(resolved: Resolved) -> dict[str, Any]:
    """A resolved request as a JSON object."""
    return {**dataclasses.asdict(resolved), "request": to_json(resolved.request)}


def resolved_from_json(written: Mapping[str, Any]) -> Resolved:
    """The resolved request that :func:`resolved_to_json` wrote. Raises RequestError if it cannot be read."""
    try:
        plan = ExecutionPlan(**{name: _frozen(value) for name, value in written["plan"].items()})
        rest = {name: value for name, value in written.items() if name not in ("request", "plan")}
        return Resolved(request=from_json(written["request"]), plan=plan, **rest)
    except (KeyError, TypeError, AttributeError) as error:
        raise RequestError(f"This record is damaged and cannot be read: {error}.") from error


def _frozen(value: Any) -> Any:
    """JSON has no tuples; the dataclasses have no lists."""
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
