"""After a load: which tensors of a file were used, and why others were not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from engine.checkpoints.load.originals import Originals

_EXPECTED: Mapping[str, str] = {
    r"model_ema\..*|.*\.model_ema\..*": "averaged weights (EMA), with which only training goes on",
    r"(model\.)?(betas|alphas_cumprod\w*|sqrt_\w+|log_one_minus_\w+|posterior_\w+|lvlb_weights|logvar|log_vars|sigmas|scale_factor)"
    r"|(denoiser|low_scale_model|noise_augmentor)\..*": "the noise schedule, which the scheduler computes",
    r".*position_ids|.*relative_position_index": "fixed numbers",
    r".*logit_scale": "the scale by which CLIP compares a picture with a text",
    r"text_encoders\.t5xxl\..*": "the text encoder T5, which was left out",
    r".*text_projection(\.weight)?": "a projection of the text, which this family does not read",
    r".*(transformer\.resblocks|encoder\.layers)\.\d+\..*": "the text encoder's last layers, which this family does not read",
    r"((first_stage_model|vae)\.)?(loss|discriminator)\..*": "the VAE's loss, which only training needs",
    r"(.*\.)?(shared|encoder\.embed_tokens)\.weight": "T5's table of words, which some files have twice",
    r"decoder\.(block\..*|(final_layer_norm|embed_tokens)\.weight)|lm_head\.weight": "T5's decoder, which reads no prompt",
    r"string_to_token\..*": "the number of a learned word in training",
    r"clip_[lg]|t5xxl": "a learned word's vectors for a text encoder that this checkpoint does not have",
    r"depth_model\..*": "parts of MiDaS that estimate no depth",
    r".*\.num_batches_tracked": "a counter of training",
    r"(cond_stage_model|conditioner\.embedders\.\d+)\.(model\.)?(visual|attn_mask|transformer\.vision_model).*":
        "CLIP's part for pictures",
}  # fmt: skip
"""Regular expression for tensors that are not needed to draw -> what they are."""


@dataclass(frozen=True, kw_only=True)
class TensorUse:
    """``given``, ``taken``: numbers of tensors in the files, and of those that were used. ``left``: what they are -> the names of
    those that were not; under "" those of which Easel does not know what they are."""

    given: int
    taken: int
    left: Mapping[str, tuple[str, ...]]

    def explain(self, file: str) -> str:
        """A sentence about the tensors of a file of that name that Easel does not know; "" if there are none."""
        unknown = self.left.get("", ())
        if not unknown:
            return ""
        examples = ", ".join(name[:80] for name in unknown[:3]) + (", ..." if len(unknown) > 3 else "")
        return (
            f"“{file}” has {len(unknown)} of {self.given} parts that Easel does not know and did not use ({examples}). If "
            "its pictures are not what they should be, it is of a kind that Easel does not draw with yet."
        )


def count_tensors(loaded: Iterable[Originals], markers: Collection[str] = ()) -> TensorUse:
    """How the tensors of a checkpoint's files were used. ``markers`` are the keys that were used beside the weights."""
    names: set[str] = set()
    taken = set(markers)
    for component in loaded:
        given = set(component.store.names())
        names |= given
        taken |= {place for place, _ in component.places.values()} & given
        taken |= component.store.scales()
    return count_names(names, taken)


def count_names(given: Iterable[str], taken: Collection[str]) -> TensorUse:
    """How the tensors of a file, called ``given``, were used."""
    names = set(given)
    left: dict[str, list[str]] = {}
    for name in sorted(names.difference(taken)):
        left.setdefault(_describe(name), []).append(name)
    return TensorUse(
        given=len(names),
        taken=len(names.intersection(taken)),
        left={what: tuple(found) for what, found in left.items()},
    )


def _describe(name: str) -> str:
    return next((what for pattern, what in _EXPECTED.items() if re.fullmatch(pattern, name)), "")
