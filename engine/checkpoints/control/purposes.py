"""What a control network reads: edges, depth, a pose. Its tensors do not say so, only the names under which it is published."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.safe_text import name_to_text


@dataclass(frozen=True)
class Purpose:
    """What a control reads: in words for a sentence, by which word in a file's name, and the preprocessor that makes such a map
    of a picture, "" where Easel has none."""

    words: str
    pattern: str
    preprocessor: str


PURPOSES: Mapping[str, Purpose] = {
    "scribble": Purpose("scribbles", r"scribble|sketch|doodle|user_?guided", "scribble"),
    "canny": Purpose("hard edges (canny)", r"canny", "canny"),
    "soft_edge": Purpose("soft edges (HED)", r"soft_?edge|hed|pidi|teed", "soft_edges"),
    "line_art": Purpose("line art", r"line_?art|line_?anime|anime_?line", "line_art"),
    "mlsd": Purpose("straight lines (MLSD)", r"mlsd", ""),
    "depth": Purpose("depth", r"depth|zoe|midas", ""),
    "normal": Purpose("surfaces (normal map)", r"normal", ""),
    "pose": Purpose("poses (openpose)", r"open_?pose|pose|densepose", ""),
    "segmentation": Purpose("areas of things (segmentation)", r"seg", ""),
    "inpaint": Purpose("what to fill (inpaint)", r"inpaint|fill", "inpaint"),
    "tile": Purpose("tiles and blurred pictures", r"tile|blur|upscale|deblur", "tile"),
    "colours": Purpose("colours", r"color|colour|recolor", "colours"),
    "pixels": Purpose("patterns and brightness (QR code)", r"qr|brightness|illumination|monster", "none"),
    "shuffle": Purpose("colours and shapes, in any order (shuffle)", r"shuffle", "none"),
    "instructions": Purpose("instructions (pix2pix)", r"ip2p|pix2pix", "none"),
}  # fmt: skip
"""Name -> purpose. The patterns are words in the names of lllyasviel's, Stability's, TencentARC's, xinsir's and others' files."""

_CALLED_BY_THEIR_FOLDER = frozenset({"diffusion_pytorch_model", "model", "control_model", "diffusion_pytorch_model.fp16"})


def find_purpose(path: Path) -> str:
    """A key of :data:`PURPOSES`, by the name of a file or folder; "" if it says none."""
    stem = name_to_text(path.parent.name if path.stem in _CALLED_BY_THEIR_FOLDER else path.name).casefold()
    return next((name for name, purpose in PURPOSES.items() if re.search(purpose.pattern, stem.replace("-", "_"))), "")


def describe_purpose(path: Path) -> str:
    """`` that reads …``, for the end of a sentence; "" if its name does not tell."""
    name = find_purpose(path)
    return f" that reads {PURPOSES[name].words}" if name else ""


LINES: Mapping[str, tuple[float, float]] = {
    "scribble": (5.0, 12.0), "soft_edge": (2.5, 8.0), "line_art": (1.0, 4.0), "canny": (1.0, 1.5), "mlsd": (1.0, 2.0),
}  # fmt: skip
"""Purposes whose maps are lines -> how wide these are in a map of 512 x 512: the least and the most pixels."""


UNION_TASKS: Mapping[str, int] = {
    "pose": 0, "depth": 1, "soft_edge": 2, "scribble": 2, "canny": 3, "line_art": 3, "mlsd": 3, "normal": 4, "segmentation": 5,
    "tile": 6, "inpaint": 7,
}  # fmt: skip
"""Purposes -> the number that a union (xinsir/controlnet-union-sdxl-1.0) knows them by; its first version knows six numbers."""
