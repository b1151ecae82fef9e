"""The result of identifying a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.checkpoints.control.shape import ControlShape
from engine.checkpoints.files.headers import Tensor
from engine.checkpoints.identify.evidence import FewSteps
from engine.json_values import JsonObject

KINDS: Mapping[str, str] = {
    "checkpoint": "checkpoint", "lora": "LoRA", "embedding": "embedding", "vae": "VAE", "upscaler": "upscaler",
    "cleaner": "cleaner", "face_restorer": "face restorer", "mask_filler": "mask filler",
    "tiny_vae": "tiny autoencoder (TAESD)",
    "captioner": "captioner",
    "text_encoder": "text encoder", "unet": "denoiser alone", "controlnet": "ControlNet", "depth": "depth estimator",
    "unknown": "unknown kind of file",
}  # fmt: skip
"""Kind of file -> its name in sentences."""


COMPONENT_NAMES: Mapping[str, str] = {
    "unet": "denoiser (UNet)", "transformer": "denoiser (transformer)", "vae": "decoder (VAE)", "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder", "text_encoder_3": "third text encoder (T5)",
    "depth_estimator": "depth estimator", "safety_checker": "safety checker",
}  # fmt: skip
"""Component -> its name in a sentence."""


@dataclass(frozen=True)
class Part:
    """One component in a file. ``parameters`` is a count, ``bytes`` their size, ``dtype`` the most frequent one. ``packed`` are
    those of the parameters that stay packed in memory, in ``packed_bytes``: matrices of GGUF files."""

    dtype: str
    parameters: int
    bytes: int
    packed: int = 0
    packed_bytes: int = 0

    @classmethod
    def sum(cls, tensors: Iterable[Tensor]) -> Part:
        """A component of these tensors."""
        counts: Counter[str] = Counter()
        size = packed = packed_bytes = 0
        for tensor in tensors:
            counts[tensor.dtype] += tensor.count
            size += tensor.bytes
            if tensor.is_packed_matrix:
                packed += tensor.count
                packed_bytes += tensor.bytes
        dtype = counts.most_common(1)[0][0] if counts else "float32"
        return cls(dtype, counts.total(), size, packed, packed_bytes)

    def bytes_in(self, width: int) -> int:
        """Its size in memory, where a number that is not packed takes ``width`` bytes."""
        return (self.parameters - self.packed) * width + self.packed_bytes


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a file or folder is.

    ``kind`` is a key of :data:`KINDS`. ``family`` names a row of
    :data:`~engine.checkpoints.families.FAMILIES`; for additions it is the base model that they were trained for, a key of
    :data:`~engine.checkpoints.families.BASE_MODELS` or ``""``. ``parts`` maps components to their size. ``native_size`` is
    in pixels per side. ``few_steps``: set for a LoRA that lets a checkpoint draw in few steps. ``noise_schedule`` names a
    row of :data:`~engine.checkpoints.families.noise_schedules.NOISE_SCHEDULES`, "" for the family's own. ``markers`` are the keys
    beside the weights that were used, and ``configs`` the values that they put into a component's configuration
    (:mod:`engine.checkpoints.identify.markers`). ``digest`` is as in Header. ``weights_sha256`` is the SHA-256 of all bytes
    after the header, which trainers write into LoRAs and AUTOMATIC1111's program into its images; "" if the file has none.
    ``description`` is that of :func:`~engine.checkpoints.identify.adapters.read_description`, for LoRAs and embeddings.
    ``control`` says which denoisers a control network works beside. ``reason`` says how it was recognised.
    """

    kind: str
    family: str = ""
    prediction_type: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)
    native_size: int = 0
    few_steps: FewSteps | None = None
    noise_schedule: str = ""
    markers: tuple[str, ...] = ()
    configs: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    container: str = ""
    digest: str = ""
    weights_sha256: str = ""
    control: ControlShape | None = None
    description: Mapping[str, str] = field(default_factory=dict[str, str])
    reason: str = ""

    @property
    def parameters(self) -> dict[str, int]:
        """Component -> number of parameters."""
        return {name: part.parameters for name, part in self.parts.items()}

    @property
    def bytes(self) -> int:
        """The size of all components in the file, in bytes."""
        return sum(part.bytes for part in self.parts.values())

    @property
    def dtype(self) -> str:
        """The dtype of most of the weights."""
        parts = sorted(self.parts.values(), key=lambda p: p.bytes)
        return parts[-1].dtype if parts else ""
