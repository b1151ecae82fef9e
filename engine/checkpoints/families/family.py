"""What Easel knows about a family of checkpoints: the fields of a row in the table of families."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from engine.checkpoints.families.key_mapping import KeyMapping, map_unet, map_vae, or_in_diffusers_layout
from engine.checkpoints.families.mmdit_keys import map_mmdit
from engine.checkpoints.families.noise_schedules import NoiseSchedule
from engine.json_values import JsonObject, parse_object

CONFIGS = Path(__file__).parent.parent / "configs"
"""Configurations of published components, and CLIP's tokenizer."""

ANY = ("float16", "bfloat16", "float32")
NOT_HALF = ("bfloat16", "float32")
FULL_ONLY = ("float32",)

TEXT, IMAGE, INPAINT, UPSCALE, DEPTH = "text_to_image", "image_to_image", "inpaint", "upscale", "depth"
TASKS: Mapping[str, str] = {
    TEXT: "text to image", IMAGE: "image to image", INPAINT: "inpainting", DEPTH: "depth to image", UPSCALE: "upscaling",
}  # fmt: skip
"""What a checkpoint is loaded for -> its name in a sentence."""

SD_PIPELINES: Mapping[str, str] = {
    TEXT: "StableDiffusionPipeline", IMAGE: "StableDiffusionImg2ImgPipeline", INPAINT: "StableDiffusionInpaintPipeline",
}  # fmt: skip

CLIP_TOKENIZER = ("clip_tokenizer", "<|endoftext|>")
OPENCLIP_TOKENIZER = ("clip_tokenizer", "!")
"""Tokenizer folder under ``configs/`` and the token that fills a prompt up: OpenCLIP pads with number 0, which is "!"."""


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """The base model of LoRAs and embeddings; several families may share one.

    ``context_width``: numbers of a token that the UNet's cross-attention reads. ``embedding_width``: numbers of a token in an
    embedding's matrix, in XL's for its second text encoder; ``token_width``: those for all text encoders together.
    ``metadata_word`` in what a LoRA says of its base model, or a tensor whose name begins with one of ``key_prefixes``, tell it
    too. ``unet_levels``: levels of the UNet; the one with 3 has several transformer blocks in a place. ``aligned_steps``: its
    table in diffusers' ``AysSchedules``.
    """

    name: str
    label: str
    context_width: int
    embedding_width: int
    token_width: int
    metadata_word: str = ""
    key_prefixes: tuple[str, ...] = ()
    unet_levels: int = 4
    aligned_steps: str = "StableDiffusionSigmas"
    latent_channels: int = 4


@dataclass(frozen=True, kw_only=True)
class TextLayout:
    """The text encoders of a family, and how a single file stores them.

    ``prefixes``: component -> how the names of its tensors may begin. Those of the last one tell the layout, and where two
    layouts share one, the ``context_width``. ``context_width`` is as in
    :class:`BaseModel`, for files that hold a UNet alone. ``hidden_act`` is the activation of the first text encoder, for folders.
    ``description`` is for a sentence.
    """

    name: str
    description: str
    prefixes: Mapping[str, tuple[str, ...]]
    key_mapping: Mapping[str, KeyMapping]
    context_width: int
    hidden_act: str = "quick_gelu"

    @property
    def last_prefixes(self) -> tuple[str, ...]:
        """How the names of the last text encoder's tensors may begin."""
        return list(self.prefixes.values())[-1]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a checkpoint of a family looks like.

    ``channels``: input channels of the UNet. Beside the latents' 4 there are 5 for a mask and an image, 1 for depth, 3 for an
    image of low resolution. ``guidance_embedding``: the UNet reads the guidance scale. ``few_steps``: only what a file or a
    scheduler says of itself tells it from its look-alikes. ``network``: which network denoises, where it is no UNet.
    """

    text: TextLayout
    channels: int = 4
    network: str = "unet"
    guidance_embedding: bool = False
    few_steps: bool = False

    def looks_like(self, other: Signature) -> bool:
        """Whether tensors cannot tell both."""
        return dataclasses.replace(self, few_steps=other.few_steps) == other


@dataclass(frozen=True, kw_only=True)
class LatentPreview:
    """A linear map from scaled latents to an image from -1 to 1: ``factors`` has a row for each latent channel.

    ``scaling_factor`` is that of the family's VAE; a checkpoint may scale its latents in another way. ``latents`` says whose
    they are, for a tiny autoencoder (:data:`engine.checkpoints.families.tiny_vaes.LATENTS`).
    """

    factors: tuple[tuple[float, float, float], ...]
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scaling_factor: float = 0.18215
    latents: str = "sd1"


@dataclass(frozen=True, kw_only=True)
class SkipLayers:
    """The recommended skip-layer guidance: away from what the network predicts without some ``layers``, times ``scale``, from
    the share ``start`` of the steps to ``stop``."""

    layers: tuple[int, ...]
    scale: float
    start: float
    stop: float


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of checkpoints.

    What it is: ``signature``, None where ``marker_file`` in the folder tells it, or nothing. ``base``: what LoRAs and embeddings
    are made for, None if there are none. ``parameters``: numbers in each component of the published checkpoint.

    How it loads: ``pipelines``, task -> diffusers class. ``configs``: component -> file in ``configs/``, for single files;
    ``classes``: component -> diffusers or transformers class. ``tokenizers``: component -> folder in ``configs/`` and padding.
    ``scheduler_overrides`` and ``vae_overrides`` replace values of a checkpoint's configurations, as diffusers' pipelines of the
    family do; ``pipeline_options`` are further arguments of those. ``optional``: components that it can do without.
    ``loaded_by_diffusers``: as a whole, without Easel's own
    loader. ``dtypes``: the precisions that a component works in.

    How it runs: sizes in pixels; ``guidance_free`` if guidance was distilled into the weights, so that a scale of 1 or less is
    right; ``sketch_guidance_scale`` for painting over an image and ``negative_guidance_scale`` for studying a negative prompt,
    where another one is best; ``guidance_rescale`` as in :class:`NoiseSchedule`; ``noise_schedule`` where it is not the family's
    own; ``scheduler``, a name of :data:`engine.generate.samplers.SCHEDULERS`. ``is_refiner``: it takes over
    from other families of the same base. ``prediction_type_varies``: fine-tunes predict something else, which the user may say.
    ``is_bundled``: it ships with Easel. ``preview``: how latents are shown during a run. ``skip_layers``: its skip-layer
    guidance, None if none is published for it.
    """

    name: str
    label: str
    signature: Signature | None = None
    marker_file: str = ""
    base: BaseModel | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)

    pipelines: Mapping[str, str] = field(default_factory=lambda: SD_PIPELINES)
    configs: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, str] = field(
        default_factory=lambda: {
            "unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel",
            "text_encoder_2": "CLIPTextModelWithProjection",
        }
    )  # fmt: skip
    tokenizers: Mapping[str, tuple[str, str]] = field(default_factory=lambda: {"tokenizer": CLIP_TOKENIZER})
    scheduler_overrides: Mapping[str, bool | int] = field(default_factory=lambda: {"steps_offset": 1, "clip_sample": False})
    vae_overrides: Mapping[str, float] = field(default_factory=dict)
    pipeline_options: Mapping[str, bool | int] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    loaded_by_diffusers: bool = False
    dtypes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"unet": ANY, "vae": ANY, "text_encoder": ANY})
    attention_upcast_in_fp16: bool = False

    native_size: int = 512
    size_multiple: int = 8
    prediction_type: str = "epsilon"
    prediction_type_varies: bool = True
    force_zeros_for_empty_prompt: bool = False
    requires_aesthetics_score: bool = False
    steps: int = 25
    guidance_scale: float = 7.5
    sketch_guidance_scale: float | None = None
    negative_guidance_scale: float | None = None
    scheduler: str = "DPM++ 2M"
    guidance_rescale: float = 0.0
    noise_schedule: NoiseSchedule | None = None
    guidance_free: bool = False
    is_refiner: bool = False
    is_bundled: bool = False
    preview: LatentPreview | None = None
    skip_layers: SkipLayers | None = None

    @property
    def denoiser(self) -> str:
        """The component that predicts the noise or the flow: ``"unet"`` or ``"transformer"``."""
        return "transformer" if "transformer" in self.classes else "unet"

    @property
    def key_mapping(self) -> dict[str, KeyMapping]:
        """Component -> where its tensors are in a single file; empty for families that come as folders only."""
        if self.signature is None:
            return {}
        original = map_unet if self.denoiser == "unet" else map_mmdit
        return {self.denoiser: or_in_diffusers_layout(original), "vae": map_vae, **self.signature.text.key_mapping}

    @property
    def aligned_steps(self) -> str:
        """The table of Align Your Steps for it; Stable Diffusion 1's where it has none of its own."""
        return (self.base or BaseModel).aligned_steps

    @property
    def for_image_to_image(self) -> Family:
        """The same with the defaults for image to image."""
        return dataclasses.replace(self, guidance_scale=self.sketch_guidance_scale or self.guidance_scale)

    @property
    def for_negative_study(self) -> Family:
        """The same with the defaults for studying a negative prompt."""
        return dataclasses.replace(self, guidance_scale=self.negative_guidance_scale or self.guidance_scale)


@cache
def _read(name: str) -> str:
    return (CONFIGS / f"{name}.json").read_text("utf-8")


def bundled_config(family: Family, component: str) -> JsonObject:
    """The published configuration of a component of a family, as diffusers or transformers writes it. KeyError if it has none."""
    return parse_object(_read(family.configs[component]))
