"""The bodies of OpenAI's routes. Unknown fields are ignored; None is what a client leaves out."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Format = Literal["png", "jpeg", "webp"]
Quality = Literal["auto", "low", "medium", "high", "standard", "hd"]


class Options(BaseModel):
    """What all three routes take. The last five are Easel's own additions, under the names that other local servers use."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, protected_namespaces=())

    model: str | None = None
    n: int | None = Field(1, ge=1, le=10)
    size: str | None = "auto"
    response_format: Literal["url", "b64_json"] | None = None
    output_format: Format | None = None
    output_compression: int | None = Field(None, ge=0, le=100)
    quality: Quality | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    stream: bool | None = False
    partial_images: int | None = Field(0, ge=0, le=3)
    negative_prompt: str | None = ""
    seed: int | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    sampler_name: str | None = None


class GenerationBody(Options):
    """POST /v1/images/generations"""

    prompt: str


class EditBody(Options):
    """The fields of POST /v1/images/edits and variations that are no files."""

    prompt: str = ""


class ImageAnswer(BaseModel):
    """One image, in base64 or as an address."""

    b64_json: str | None = None
    url: str | None = None


class Usage(BaseModel):
    """Nothing is counted, and nothing is paid for."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: dict[str, int] = {"text_tokens": 0, "image_tokens": 0}


class ImagesAnswer(BaseModel):
    """The images of a request. ``easel`` holds sentences on what was left out or replaced."""

    created: int
    data: list[ImageAnswer]
    background: str = "opaque"
    output_format: Format = "png"
    quality: str = "auto"
    size: str = ""
    usage: Usage = Usage()
    easel: list[str] = []


class ModelAnswer(BaseModel):
    """A checkpoint."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "easel"


class ModelsAnswer(BaseModel):
    """All checkpoints, the default first."""

    object: Literal["list"] = "list"
    data: list[ModelAnswer]
