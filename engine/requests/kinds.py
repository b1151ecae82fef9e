"""The kinds of request, as they are asked: what is left open is None and means "choose for me"."""

from __future__ import annotations

from dataclasses import dataclass

from engine.requests.axes import Axis, count_cells
from engine.requests.control_settings import Control
from engine.seeds import read_seed

DTYPES = ("float32", "bfloat16", "float16")
"""The precisions that a component can have, the safest first."""

SPEEDS = ("exact", "balanced", "draft", "few_steps")
"""Names of :data:`engine.plan.speed.SPEEDS`, the exact one first."""

GUIDANCES = ("cfg", "pag", "apg", "cfg_zero", "slg")
"""Names of :data:`engine.generate.guidance.GUIDANCES`, the usual one first."""

FITS = ("crop", "pad", "stretch")
"""How an input image meets the size of the result."""

LATENT = "latent"
"""The upscaler between two passes that stretches latents."""

HIRES = (
    "first_width", "first_height", "hires_upscaler", "hires_steps", "hires_strength", "hires_guidance_scale", "hires_scheduler",
    "hires_schedule",
)  # fmt: skip
"""The fields that only mean something together with ``hires``."""

MASK_AREAS = ("region", "picture", "")
"""What a run with a mask works on; the last as versions before these names did."""

FILLS = ("original", "fill", "noise", "nothing", "lama")
"""What the masked part begins with: what is there, the colours around it, noise or nothing in the latents, what LaMa paints."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The fields of all kinds of request.

    ``steps`` counts denoising steps. ``guidance_scale`` (CFG scale) of 1 or less runs without guidance. ``scheduler`` is a name
    from :data:`engine.generate.samplers.SCHEDULERS`, ``schedule`` one from :data:`engine.generate.samplers.SCHEDULES`, None for
    the one that is usual with the sampler. ``seed`` is 0 to :data:`engine.seeds.MAX_SEED`; any other, such as
    -1, leaves it open. Image *i* of ``count`` uses ``seed + i``. ``precision`` overrules the plan: ``"auto"``, ``"float32"``,
    ``"bfloat16"`` or ``"float16"``. LoRAs and embeddings are named in the prompts.

    ``prompt_template`` and ``negative_template`` are what the prompts were drawn from (:mod:`engine.prompt.variants`), "" for
    prompts that are to be taken as they are. None, the default, says that a prompt is a template itself: each image draws its
    own from it, by its seed.
    """

    prompt: str = ""
    negative_prompt: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    schedule: str | None = None
    seed: int | None = None
    count: int = 1
    clip_skip: int | None = None
    precision: str = "auto"
    prompt_template: str | None = None
    negative_template: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", read_seed(self.seed))


@dataclass(frozen=True, kw_only=True)
class GenerationRequest(Request):
    """The common fields of requests that generate an image with a checkpoint.

    ``checkpoint`` is a name from the catalogue or a path. ``width`` and ``height`` are pixels. ``vae`` names a separate VAE
    to decode with. ``guidance`` is one of :data:`GUIDANCES`; ``guidance_rescale`` (0..1) is the share of the loss of contrast by
    guidance that is undone, None for what the checkpoint needs. ``refiner`` names an XL refiner, which takes over after the
    share ``refiner_start`` (0..1) of the steps. ``speed`` is one of :data:`SPEEDS`: all but ``"exact"`` leave work out and
    change the image; ``"few_steps"`` adds a LoRA for few steps and sets ``steps``, ``guidance_scale``, ``scheduler`` and
    ``schedule`` by its method. ``upscaler`` names what makes each finished image four times as large, which is saved beside it
    (see :class:`Upscale`); "" for none. Comparisons and drafts are never upscaled. ``controls`` guide the image by pictures.

    ``variation_strength`` (0..1) is the share of the way from the noise of ``seed`` to that of ``variation_seed`` (None leaves it
    open): a little gives variations of one image. Above 0, image *i* of ``count`` uses ``variation_seed + i`` and the same
    ``seed``.

    ``axes`` make a grid of text to image or image to image (X/Y/Z plot): an image for each combination of their values, all
    else the same (:mod:`engine.requests.cells`), and a labelled sheet of all of them. ``count`` is then the number of cells. The
    images of a grid are requests without axes; its sheet has them.

    ``hires`` draws the image in two passes: at ``first_width`` x ``first_height`` pixels, then enlarged by ``hires_upscaler``
    (:data:`LATENT`, ``"lanczos"``, a name from the catalogue; None for the built-in one) and repainted from
    ``hires_strength`` (0..1) on, with steps, CFG scale and sampler of its own where they are named. None does so by itself
    where :func:`engine.generate.detail.hires_choice.choose_hires` finds the size too large to draw at once; only text to image
    has two passes.
    """

    checkpoint: str | None = None
    width: int | None = None
    height: int | None = None
    vae: str | None = None
    guidance: str = "cfg"
    guidance_rescale: float | None = None
    refiner: str | None = None
    refiner_start: float = 0.8
    speed: str = "exact"
    upscaler: str = ""
    controls: tuple[Control, ...] = ()
    hires: bool | None = None
    first_width: int | None = None
    first_height: int | None = None
    hires_upscaler: str | None = None
    hires_steps: int | None = None
    hires_strength: float | None = None
    hires_guidance_scale: float | None = None
    hires_scheduler: str | None = None
    hires_schedule: str | None = None
    variation_seed: int | None = None
    variation_strength: float = 0.0
    axes: tuple[Axis, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axes:
            object.__setattr__(self, "count", count_cells(self.axes))
        object.__setattr__(self, "variation_seed", read_seed(self.variation_seed))


@dataclass(frozen=True, kw_only=True)
class TextToImage(GenerationRequest):
    """Images from a prompt alone."""


@dataclass(frozen=True, kw_only=True)
class ImageToImage(GenerationRequest):
    """Images from a sketch or a photo, and a prompt.

    Input images are named by the content hash under which :mod:`engine.records.blobs` keeps them. ``strength`` (0..1) is the
    share of the steps that run: 0 gives the fitted input back, 1 is text to image. ``fit`` says how the input meets the
    size: ``"crop"``, ``"pad"`` or ``"stretch"``. ``mask_image``, of the input's size, is white where the image is to be
    repainted; ``feather`` is the width of its soft edge in pixels of the result. ``mask_area`` is one of :data:`MASK_AREAS`:
    ``"region"`` works on the masked region with ``padding`` pixels around it and puts it back into the input, which keeps its
    size, depth, profile and transparency; ``"picture"`` fits the whole input to ``width`` x ``height``. ``only_masked`` is read
    in requests of earlier versions alone, whose ``mask_area`` is "". ``fill`` is one of :data:`FILLS`. ``soft_mask``: grey says
    how much of the input may change (Levin and Fried 2023, arXiv 2306.00950). ``depth_image`` replaces the estimated depth of a
    depth checkpoint.
    ``paper`` (``"#rrggbb"``) shows through transparent parts and around a padded image. ``strengths``, if any, are those
    of the ``count`` images one after the other, all from the same seed. A ``draft`` is not kept: its image is saved in
    :attr:`engine.settings.Settings.drafts`, where only the newest ones stay.
    """

    init_image: str
    strength: float = 0.75
    fit: str = "crop"
    paper: str = "#ffffff"
    mask_image: str | None = None
    feather: int = 8
    only_masked: bool = False
    padding: int = 32
    mask_area: str = "region"
    fill: str = "original"
    soft_mask: bool = False
    depth_image: str | None = None
    strengths: tuple[float, ...] = ()
    draft: bool = False


@dataclass(frozen=True, kw_only=True)
class CompareNegative(GenerationRequest):
    """One image twice: with its negative prompt and without it, all else the same. ``count`` is not used."""


@dataclass(frozen=True, kw_only=True)
class StudyNegative(GenerationRequest):
    """What each term of a negative prompt does: an image for each with that term silent, all else the same.

    The first ``max_terms`` terms are tried. ``silenced`` is empty when asked; in the record of an image it holds the places
    (first character, the one after the last) in the negative prompt of the terms that were silent. ``count`` is not used.
    """

    max_terms: int = 12
    silenced: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Upscale(Request):
    """Images made larger, each for itself; there is one result an input, and ``count`` stays 1.

    ``images`` are content hashes. ``upscaler`` is None for the built-in one, ``"lanczos"``, or a name from the catalogue.
    ``factor`` (1..16) multiplies both sides. ``cleaning`` (0..1) is how much of the input's noise and compression artefacts the
    built-in upscaler removes. ``tile`` is the side of a tile in pixels of the input, 0 to let Easel choose. For the Stable
    Diffusion upscaler ``noise_level`` (0..350) is how far the result may depart from the input, and all inputs have the same
    ``seed``. Other upscalers ignore the prompts and the sampling settings.
    """

    images: tuple[str, ...]
    upscaler: str | None = None
    factor: float = 4.0
    cleaning: float = 0.0
    noise_level: int = 20
    tile: int = 0


@dataclass(frozen=True, kw_only=True)
class DescribeImage(Request):
    """An image put into words, which can be used as a prompt. No image is made: the words come as
    :class:`~engine.events.Described`.

    ``image`` is a content hash. ``captioner`` is a name from the catalogue, None for the first. ``threshold`` (0..1) is the least
    confidence of a tag, for captioners that write tags. The fields of :class:`Request` are not used, ``precision`` excepted.
    """

    image: str
    captioner: str | None = None
    threshold: float = 0.35


GENERATION_KINDS: dict[str, type[GenerationRequest]] = {
    "text_to_image": TextToImage,
    "image_to_image": ImageToImage,
    "compare_negative": CompareNegative,
    "study_negative": StudyNegative,
}
KINDS: dict[str, type[Request]] = {**GENERATION_KINDS, "upscale": Upscale, "describe": DescribeImage}
"""The name of each kind of request, as written in files and in the journal."""


def kind_of(request: Request) -> str:
    """The name in :data:`KINDS` of what ``request``, asked or resolved, is."""
    return next(name for name, cls in KINDS.items() if isinstance(request, cls))


def model_of(request: Request) -> str | None:
    """The name of the checkpoint, upscaler or captioner; None if it is left open."""
    if isinstance(request, Upscale):
        return request.upscaler
    if isinstance(request, DescribeImage):
        return request.captioner
    return request.checkpoint if isinstance(request, GenerationRequest) else None


def is_draft(request: Request) -> bool:
    """Whether the image is a draft that is not kept."""
    return isinstance(request, ImageToImage) and request.draft


def is_grid(request: Request) -> bool:
    """Whether the images of ``request`` are the cells of a grid."""
    return isinstance(request, GenerationRequest) and bool(request.axes)
