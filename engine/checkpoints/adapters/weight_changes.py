"""How each method of adapters changes a layer's weight, one row per method.

Each row computes the weight at strength 1 as its method defines it. A strength s then means W + s (W1 - W), as in
AUTOMATIC1111's program and ComfyUI. Tensors have the names of kohya-ss/sd-scripts and LyCORIS (Yeh et al. 2023, arXiv
2309.14859), to which :mod:`engine.checkpoints.identify.adapter_names` maps those of other formats. All computation is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from engine.checkpoints.adapters.peft_methods import rotate_inputs, rotate_inputs_in_stages, scale_by_factor, scales_inputs
from engine.checkpoints.identify.adapter_names import METHODS
from engine.errors import first_line

Tensors = Mapping[str, torch.Tensor]
"""A layer's tensors in float32 by their LyCORIS names."""

Change = Callable[[torch.Tensor, Tensors], torch.Tensor]
"""(the layer's weight, its tensors) -> the weight at strength 1."""

DORA, ALPHA, BIAS, UP_BIAS = "dora_scale", "alpha", "diff_b", "lora_up.bias"
SCALE = "config.scale"
"""Beside a layer's tensors: the factor that the file's configuration gives, instead of an alpha."""

MAGNITUDE = "lora_magnitude_vector"
"""PEFT's name for DoRA's magnitude, which is always per row."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of changing a layer. ``required``: alternative sets of tensors, one of which a layer must have; ``optional``:
    tensors that it may have.

    ``change`` computes the weight at strength 1.
    """

    name: str
    required: tuple[frozenset[str], ...]
    optional: frozenset[str]
    change: Change

    def fits(self, names: frozenset[str]) -> bool:
        """Whether these are exactly the tensors of this method."""
        return any(required <= names <= required | self.optional for required in self.required)


# Low rank: LoRA, LoCon, DoRA


def _low_rank(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """Hu et al. 2021, arXiv 2106.09685; with ``lora_mid.weight`` in Tucker form (CP decomposition) for convolutions."""
    down, up = tensors["lora_down.weight"], tensors["lora_up.weight"]
    mid = tensors.get("lora_mid.weight")
    if mid is None:
        change = up.flatten(1) @ down.flatten(1)
    else:
        change = torch.einsum("m n ..., i m, n j -> i j ...", mid, up.flatten(1), down.flatten(1))
    return _decompose(weight, change * _scale(tensors, down.shape[0]), tensors)


def _scale(tensors: Tensors, rank: int) -> float:
    """``alpha`` over the rank; 1 for a file without alpha, and for matrices without a rank."""
    if SCALE in tensors:
        return tensors[SCALE].item()
    alpha = tensors.get(ALPHA)
    return 1.0 if alpha is None or rank == 0 else alpha.item() / rank


def _decompose(weight: torch.Tensor, change: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """W plus its change; with a magnitude, DoRA's m (W + change) / norm(W + change) (Liu et al. 2024, arXiv 2402.09353).

    The norm is by row or by column, depending on the shape of the magnitude.
    """
    changed = weight + change.reshape(weight.shape)
    magnitude = tensors.get(DORA, tensors.get(MAGNITUDE))
    if magnitude is None:
        return changed
    epsilon = torch.finfo(torch.float32).eps
    tail = (1,) * (weight.dim() - 2)
    rows, columns = weight.shape[:2]
    by_column = (
        MAGNITUDE not in tensors
        and magnitude.dim() > 1
        and magnitude.shape[0] == 1
        and magnitude.shape[1] == columns
        and rows != 1
    )
    if by_column:
        norm = changed.transpose(0, 1).flatten(1).norm(dim=1).view(1, columns, *tail)
    else:
        norm = changed.flatten(1).norm(dim=1).view(rows, 1, *tail)
    return changed * (magnitude.reshape(norm.shape) / (norm + epsilon))


# Products: LoHa, LoKr


def _hadamard(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """LoHa (FedPara, Hyeon-Woo et al. 2021, arXiv 2108.06098): the Hadamard product of two low-rank matrices."""
    factors = [
        _product(tensors[f"hada_w{n}_a"], tensors[f"hada_w{n}_b"], tensors.get(f"hada_t{n}")).reshape(weight.shape)
        for n in (1, 2)
    ]
    return _decompose(weight, factors[0] * factors[1] * _scale(tensors, tensors["hada_w1_b"].shape[0]), tensors)


def _product(a: torch.Tensor, b: torch.Tensor, core: torch.Tensor | None) -> torch.Tensor:
    return a @ b if core is None else torch.einsum("i j ..., i p, j r -> p r ...", core, a, b)


def _kronecker(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """LoKr (arXiv 2309.14859): the Kronecker product of two matrices, each full or low-rank. Two full ones have no scale."""
    first, rank_1 = _kronecker_factor(tensors, 1)
    second, rank_2 = _kronecker_factor(tensors, 2)
    if second.dim() > first.dim():
        first = first.view(*first.shape, *(1,) * (second.dim() - first.dim()))
    change = torch.kron(first.contiguous(), second.contiguous()) * _scale(tensors, rank_2 or rank_1)
    return _decompose(weight, change, tensors)


def _kronecker_factor(tensors: Tensors, number: int) -> tuple[torch.Tensor, int]:
    """One of the two factors, and its rank; 0 if it is full."""
    whole = tensors.get(f"lokr_w{number}")
    if whole is not None:
        return whole, 0
    a, b = tensors[f"lokr_w{number}_a"], tensors[f"lokr_w{number}_b"]
    return _product(a, b, tensors.get(f"lokr_t{number}")), b.shape[0]


def _glora(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """GLoRA (Chavan et al. 2023, arXiv 2306.07967): W A + B, both low-rank. Until its version 2, LyCORIS called the factors of
    each the other way round."""
    a1, a2, b1, b2 = (tensors[f"{name}.weight"].flatten(1) for name in ("a1", "a2", "b1", "b2"))
    if (a1.shape[0], b1.shape[0]) != (weight.shape[1], weight.shape[0]):
        a1, a2, b1, b2 = a2, a1, b2, b1
    change = torch.einsum("o i ..., i j -> o j ...", weight, a1 @ a2)
    return weight + (change + (b1 @ b2).reshape(weight.shape)) * _scale(tensors, a2.shape[0])


# Full weights: full, norms, IA3


def _full(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """Full difference (``diff``)."""
    return weight + tensors["diff"].reshape(weight.shape)


def _norm(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    return weight + tensors["w_norm"].reshape(weight.shape)


def _ia3(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """IA3 (Liu et al. 2022, arXiv 2205.05638) as LyCORIS stores it: 1 + w times each output, or each input."""
    return weight * (1 + _along(weight, tensors["weight"], on_input=bool(tensors["on_input"].item())))


def _along(weight: torch.Tensor, vector: torch.Tensor, *, on_input: bool) -> torch.Tensor:
    shape = [1] * weight.dim()
    shape[1 if on_input else 0] = -1
    return vector.reshape(shape)


# Rotations: OFT, BOFT


def _rotation(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """OFT (Qiu et al. 2023, arXiv 2306.07280): outputs are rotated block by block, then scaled by ``rescale``.

    ``alpha`` bounds the norm of the skew-symmetric matrix: at most alpha times the number of the layer's outputs.
    """
    blocks = tensors["oft_blocks"]
    rotated = torch.einsum("k n m, k n ... -> k m ...", _cayley(blocks, _bound(weight, tensors)), _in_blocks(weight, blocks))
    return _rescale(rotated.reshape(weight.shape), tensors)


def _butterfly(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """BOFT (Liu et al. 2023, arXiv 2311.06243): several rotations, each of which mixes blocks farther apart."""
    blocks = tensors["oft_blocks"]
    stages, _, size, _ = blocks.shape
    rotations = _cayley(blocks, _bound(weight, tensors))
    for stage in range(stages):
        apart = 2**stage * (size // 2)
        mixed = weight.unflatten(0, (-1, 2, apart)).transpose(1, 2).flatten(0, 2).unflatten(0, (-1, size))
        mixed = torch.einsum("b i j, b j ... -> b i ...", rotations[stage], mixed).flatten(0, 1)
        weight = mixed.unflatten(0, (-1, apart, 2)).transpose(1, 2).flatten(0, 2)
    return _rescale(weight, tensors)


def _bound(weight: torch.Tensor, tensors: Tensors) -> float:
    alpha = tensors.get(ALPHA)
    return 0.0 if alpha is None else alpha.item() * weight.shape[0]


def _cayley(blocks: torch.Tensor, bound: float) -> torch.Tensor:
    """The Cayley transform: orthogonal matrices (I + Q)(I - Q)^-1 from the skew-symmetric part Q of any matrices."""
    skew = blocks - blocks.transpose(-1, -2)
    norm = skew.norm().item() + 1e-8
    if 0 < bound < norm:
        skew = skew * bound / norm
    identity = torch.eye(blocks.shape[-1], device=blocks.device)
    return (identity + skew) @ torch.linalg.inv(identity - skew)


def _in_blocks(weight: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
    return weight.reshape(blocks.shape[0], blocks.shape[1], *weight.shape[1:])


def _rescale(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    rescale = tensors.get("rescale")
    return weight if rescale is None else weight * _along(weight, rescale, on_input=False)


_COMMON = frozenset({ALPHA, DORA, MAGNITUDE, BIAS})


def _row(name: str, change: Change, optional: frozenset[str] = frozenset()) -> Method:
    return Method(name=name, required=METHODS[name], optional=optional, change=change)


CHANGES: tuple[Method, ...] = (
    _row("LoRA", _low_rank, _COMMON | {"lora_mid.weight", UP_BIAS}),
    _row("LoHa", _hadamard, _COMMON | {"hada_t1", "hada_t2"}),
    _row("LoKr", _kronecker, _COMMON | {"lokr_t1", "lokr_t2"}),
    _row("GLoRA", _glora, frozenset({ALPHA, BIAS})),
    _row("full difference", _full, frozenset({ALPHA, BIAS})),
    _row("norm", _norm, frozenset({"b_norm", ALPHA})),
    _row("IA3", _ia3, frozenset({ALPHA})),
    _row("IA3 (PEFT)", scale_by_factor),
    _row("OFT (PEFT)", rotate_inputs),
    _row("BOFT (PEFT)", rotate_inputs_in_stages),
    _row("OFT", _rotation, frozenset({ALPHA, "rescale"})),
    _row("bias", lambda weight, _: weight),
)
"""One row for each of :data:`~engine.checkpoints.identify.adapter_names.METHODS`."""

_BIASES = (BIAS, "b_norm")


def find_method(names: frozenset[str]) -> Method | None:
    """The method whose tensors a layer has; None if there is none or there are other tensors."""
    return next((method for method in CHANGES if method.fits(names)), None)


def change_weight(method: Method, weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """The weight at strength 1, in float32. Raises ValueError if the tensors' shapes do not match the layer's."""
    change = _butterfly if method.name == "OFT" and tensors["oft_blocks"].dim() == 4 else method.change
    try:
        return change(weight, tensors)
    except (RuntimeError, IndexError, ZeroDivisionError) as error:
        raise ValueError(first_line(error)) from error


def change_of_bias(tensors: Tensors, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor | None:
    """What is added to the layer's ``bias``, None if it has none, at strength 1; None if nothing."""
    if UP_BIAS in tensors:
        return tensors[UP_BIAS] * _scale(tensors, tensors["lora_down.weight"].shape[0])
    if "ia3_l" in tensors and bias is not None and not scales_inputs(weight, tensors):
        return bias * (tensors["ia3_l"].flatten() - 1)
    return next((tensors[name] for name in _BIASES if name in tensors), None)
