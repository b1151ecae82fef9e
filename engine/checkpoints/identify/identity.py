"""The answer to "what is this file?"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.checkpoints.files.headers import Tensor

KINDS: Mapping[str, str] = {
    "checkpoint": "checkpoint", "lora": "LoRA", "embedding": "embedding", "vae": "VAE", "upscaler": "upscaler",
    "cleaner": "cleaner", "face_restorer": "face restorer", "mask_filler": "mask filler",
    "unet": "UNet alone", "controlnet": "ControlNet", "depth": "depth estimator", "unknown": "unknown kind of file",
}  # fmt: skip
"""Kind of file -> the word for it in a sentence."""


@dataclass(frozen=True)
class Part:
    """One component in a file. ``parameters`` counts numbers, ``bytes`` is what they take, ``dtype`` what most of them are."""

    dtype: str
    parameters: int
    bytes: int

    @classmethod
    def sum(cls, tensors: Iterable[Tensor]) -> Part:
        """The sum of some tensors."""
        counts: Counter[str] = Counter()
        size = 0
        for tensor in tensors:
            counts[tensor.dtype] += tensor.count
            size += tensor.bytes
        dtype = counts.most_common(1)[0][0] if counts else "float32"
        return cls(dtype, counts.total(), size)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a file or folder is.

    ``kind`` is a key of :data:`KINDS`. ``family`` names a row of
    :data:`~engine.checkpoints.families.FAMILIES`; for additions the base model that they were made for, a key of
    :data:`~engine.checkpoints.families.BASE_MODELS` or ``""``. ``parts`` maps components to their size. ``native_size`` is
    pixels a side. ``digest`` is as in Header. ``weights_sha256`` is the SHA-256 of all bytes
    behind the header, which trainers write into LoRAs and AUTOMATIC1111's program into its images; "" if the file does not say.
    ``reason`` says what it was recognised by.
    """

    kind: str
    family: str = ""
    prediction_type: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)
    native_size: int = 0
    container: str = ""
    digest: str = ""
    weights_sha256: str = ""
    reason: str = ""

    @property
    def parameters(self) -> dict[str, int]:
        """How many numbers each component has."""
        return {name: part.parameters for name, part in self.parts.items()}

    @property
    def bytes(self) -> int:
        """What all components take in the file."""
        return sum(part.bytes for part in self.parts.values())

    @property
    def dtype(self) -> str:
        """The precision that most of the weights are kept in."""
        parts = sorted(self.parts.values(), key=lambda p: p.bytes)
        return parts[-1].dtype if parts else ""
