"""Requests to the engine, as frozen values.

A request holds everything that affects the image. It comes in two types. The *asked* one (:class:`TextToImage` and its
siblings in :data:`KINDS`) leaves fields open: ``None`` means "choose for me". The *resolved* one (:class:`ResolvedTextToImage`
and its siblings) has every field set; with the plan and the threads in a :class:`Resolved` it gives the same image on the same
machine.

Both are written as JSON and read back into equal values: ``from_json(to_json(request)) == request``.
"""

from engine.requests.control_settings import CONTROL_MODES, MOST_CONTROLS, MOST_WEIGHT, PREPROCESSORS, SHOWN, Control
from engine.requests.json_format import from_json, resolved_from_json, resolved_to_json, to_json
from engine.requests.kinds import (
    DTYPES,
    FILLS,
    FITS,
    GUIDANCES,
    HIRES,
    KINDS,
    LATENT,
    MASK_AREAS,
    SPEEDS,
    CompareNegative,
    DescribeImage,
    GenerationRequest,
    ImageToImage,
    Request,
    StudyNegative,
    TextToImage,
    Upscale,
    is_draft,
    kind_of,
    model_of,
)
from engine.requests.limits import LIMITS, MAX_PROMPT, Limit, check
from engine.requests.resolved import (
    RESOLVED_KINDS,
    ExecutionPlan,
    Resolved,
    ResolvedCompareNegative,
    ResolvedDescribeImage,
    ResolvedGeneration,
    ResolvedImageToImage,
    ResolvedStudyNegative,
    ResolvedTextToImage,
    ResolvedUpscale,
    as_asked,
    complete,
    complete_description,
    complete_upscale,
    request_at,
    size_of,
)
from engine.seeds import MAX_SEED

__all__ = [
    "CONTROL_MODES",
    "DTYPES",
    "FILLS",
    "FITS",
    "GUIDANCES",
    "HIRES",
    "KINDS",
    "LATENT",
    "LIMITS",
    "MASK_AREAS",
    "MAX_PROMPT",
    "MAX_SEED",
    "MOST_CONTROLS",
    "MOST_WEIGHT",
    "PREPROCESSORS",
    "RESOLVED_KINDS",
    "SHOWN",
    "SPEEDS",
    "CompareNegative",
    "Control",
    "DescribeImage",
    "ExecutionPlan",
    "GenerationRequest",
    "ImageToImage",
    "Limit",
    "Request",
    "Resolved",
    "ResolvedCompareNegative",
    "ResolvedDescribeImage",
    "ResolvedGeneration",
    "ResolvedImageToImage",
    "ResolvedStudyNegative",
    "ResolvedTextToImage",
    "ResolvedUpscale",
    "StudyNegative",
    "TextToImage",
    "Upscale",
    "as_asked",
    "check",
    "complete",
    "complete_description",
    "complete_upscale",
    "from_json",
    "is_draft",
    "kind_of",
    "model_of",
    "request_at",
    "resolved_from_json",
    "resolved_to_json",
    "size_of",
    "to_json",
]
