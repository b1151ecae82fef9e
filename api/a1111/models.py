"""The bodies of A1111's routes. Unknown fields are ignored; numbers may be texts, as several clients send them.

What a field means is documented by A1111's own ``/docs``; None is what a client leaves out.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MOST_IMAGES = 64
"""Images in one request."""


class A1111Body(BaseModel):
    """What all bodies have in common."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, protected_namespaces=())


class Generation(A1111Body):
    """What txt2img and img2img have in common."""

    prompt: str | None = ""
    negative_prompt: str | None = ""
    styles: list[str] | None = None
    seed: int | None = -1
    subseed: int | None = -1
    subseed_strength: float | None = 0
    seed_resize_from_h: int | None = -1
    seed_resize_from_w: int | None = -1
    sampler_name: str | None = None
    sampler_index: str | int | None = None
    scheduler: str | None = None
    batch_size: int | None = Field(1, ge=1, le=MOST_IMAGES)
    n_iter: int | None = Field(1, ge=1, le=MOST_IMAGES)
    steps: int | None = None
    cfg_scale: float | None = None
    width: int | None = None
    height: int | None = None
    restore_faces: bool | None = None
    tiling: bool | None = None
    do_not_save_samples: bool | None = False
    do_not_save_grid: bool | None = False
    eta: float | None = None
    denoising_strength: float | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    clip_skip: int | None = None
    override_settings: dict[str, JsonValue] | None = None
    override_settings_restore_afterwards: bool | None = True
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    comments: dict[str, JsonValue] | None = None
    script_name: str | None = None
    script_args: list[JsonValue] | None = None
    send_images: bool | None = True
    save_images: bool | None = False
    alwayson_scripts: dict[str, JsonValue] | None = None


class TextToImageBody(Generation):
    """POST /sdapi/v1/txt2img"""

    enable_hr: bool | None = False
    firstphase_width: int | None = 0
    firstphase_height: int | None = 0
    hr_scale: float | None = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int | None = 0
    hr_resize_x: int | None = 0
    hr_resize_y: int | None = 0
    hr_cfg: float | None = None
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str | None = ""
    hr_negative_prompt: str | None = ""


class ImageToImageBody(Generation):
    """POST /sdapi/v1/img2img"""

    init_images: list[str] | None = None
    resize_mode: int | None = 0
    image_cfg_scale: float | None = None
    mask: str | None = None
    mask_blur: int | None = None
    mask_blur_x: int | None = None
    mask_blur_y: int | None = None
    inpainting_fill: int | None = None
    inpaint_full_res: bool | None = None
    inpaint_full_res_padding: int | None = None
    inpainting_mask_invert: int | None = 0
    initial_noise_multiplier: float | None = None
    include_init_images: bool | None = False


class Extras(A1111Body):
    """What both routes for upscaling have in common."""

    resize_mode: int | None = 0
    show_extras_results: bool | None = True
    gfpgan_visibility: float | None = 0
    codeformer_visibility: float | None = 0
    codeformer_weight: float | None = 0
    upscaling_resize: float | None = 2
    upscaling_resize_w: int | None = Field(512, ge=1, le=16384)
    upscaling_resize_h: int | None = Field(512, ge=1, le=16384)
    upscaling_crop: bool | None = True
    upscaler_1: str | None = "None"
    upscaler_2: str | None = "None"
    extras_upscaler_2_visibility: float | None = 0
    upscale_first: bool | None = False


class ExtraSingleBody(Extras):
    """POST /sdapi/v1/extra-single-image"""

    image: str = ""


class NamedImage(A1111Body):
    """One of several images."""

    data: str
    name: str | None = ""


class ExtraBatchBody(Extras):
    """POST /sdapi/v1/extra-batch-images"""

    imageList: list[NamedImage] = Field(default_factory=list[NamedImage], max_length=MOST_IMAGES)


class ImageBody(A1111Body):
    """POST /sdapi/v1/png-info and interrogate"""

    image: str = ""
    model: str | None = "clip"


class CaptionAnswer(BaseModel):
    """What a picture shows."""

    caption: str


class GenerationAnswer(BaseModel):
    """``images`` are files in base64, ``info`` is JSON in a string."""

    images: list[str]
    parameters: dict[str, JsonValue]
    info: str


class ExtraSingleAnswer(BaseModel):
    """The image in base64, and what was done."""

    html_info: str
    image: str


class ExtraBatchAnswer(BaseModel):
    """The images in base64, and what was done."""

    html_info: str
    images: list[str]


class PngInfoAnswer(BaseModel):
    """``info`` is the text of the settings, ``items`` all texts in the file, ``parameters`` the settings by name."""

    info: str
    items: dict[str, JsonValue]
    parameters: dict[str, JsonValue]


class ProgressAnswer(BaseModel):
    """``progress`` and ``eta_relative`` (seconds) are of the running job; ``current_image`` is its preview in base64."""

    progress: float
    eta_relative: float
    state: dict[str, JsonValue]
    current_image: str | None
    textinfo: str | None


class Detection(A1111Body):
    """POST /controlnet/detect, of the ControlNet extension"""

    controlnet_module: str = "none"
    controlnet_input_images: list[str] = Field(default_factory=list, max_length=MOST_IMAGES)
    controlnet_processor_res: int = 512
