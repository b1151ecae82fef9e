"""Methods that PEFT stores in other tensors than LyCORIS: IA3, OFT, BOFT. All computation is in float32.

Some need values of PEFT's configuration, which stand beside a layer's tensors under the names below.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

Tensors = Mapping[str, torch.Tensor]

ON_INPUT, NEUMANN_TERMS, LARGEST_NORM = "config.on_input", "config.neumann_terms", "config.largest_norm"
"""Whether IA3's factors are for inputs; OFT's terms of the Neumann series, 0 for the exact inverse (five unless it is said), and
the norm that bounds its matrices (constrained OFT)."""

_TERMS = 5


def scale_by_factor(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """IA3 (Liu et al. 2022, arXiv 2205.05638): the factor itself, of each input or each output."""
    shape = [1] * weight.dim()
    shape[1 if scales_inputs(weight, tensors) else 0] = -1
    return weight * tensors["ia3_l"].reshape(shape)


def scales_inputs(weight: torch.Tensor, tensors: Tensors) -> bool:
    """Whether IA3's factors are for inputs: as the configuration says, else by their shape."""
    factor, said = tensors["ia3_l"], tensors.get(ON_INPUT)
    if said is not None:
        return bool(said.item())
    if factor.dim() == 2:
        return factor.shape[0] == 1 and weight.shape[1] == factor.shape[1]
    return factor.numel() != weight.shape[0]


def rotate_inputs(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """OFT (Qiu et al. 2023, arXiv 2306.07280): inputs are rotated block by block; the file has the upper triangle of each."""
    triangle = tensors["oft_R.weight"]
    size = round((1 + (1 + 8 * triangle.shape[1]) ** 0.5) / 2)
    skew = weight.new_zeros(triangle.shape[0], size, size)
    rows, columns = torch.triu_indices(size, size, 1)
    skew[:, rows, columns] = triangle
    skew = skew - skew.transpose(-1, -2)
    if LARGEST_NORM in tensors:
        norms = skew.flatten(1).norm(dim=1).view(-1, 1, 1)
        skew = skew * (tensors[LARGEST_NORM] / len(skew) ** 0.5 / norms).clamp(max=1)
    terms = tensors.get(NEUMANN_TERMS)
    rotation = _expand_rotation(skew, _TERMS if terms is None else int(terms.item()))
    inputs = weight.flatten(1).unflatten(1, (-1, size))
    return torch.einsum("o r c, r k c -> o r k", inputs, rotation.expand(inputs.shape[1], -1, -1)).reshape(weight.shape)


def _expand_rotation(skew: torch.Tensor, terms: int) -> torch.Tensor:
    """The rotations of skew-symmetric matrices: (I - Q)(I + Q)^-1, or that many terms of the series for (I + Q)(I - Q)^-1."""
    identity = torch.eye(skew.shape[-1], device=skew.device).expand_as(skew)
    if terms == 0:
        return torch.linalg.solve(identity + skew, identity - skew, left=False)
    total, power = identity, skew
    if terms > 1:
        total = total + 2 * skew
    if terms > 2:
        for _ in range(max(1, terms - 3)):
            power = power @ skew
            total = total + 2 * power
        total = total + power @ skew
    return total


def rotate_inputs_in_stages(weight: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """BOFT (Liu et al. 2023, arXiv 2311.06243): rotations of inputs, each of which mixes blocks farther apart; outputs are then
    scaled."""
    inputs, blocks = weight.flatten(1), tensors["boft_R"]
    size = blocks.shape[-1]
    skew = (blocks - blocks.transpose(-1, -2)) / 2
    identity = torch.eye(size, device=weight.device).expand_as(skew)
    rotations = torch.linalg.solve(identity + skew, identity - skew, left=False)
    for stage, rotation in enumerate(rotations):
        order = torch.arange(inputs.shape[1], device=weight.device).view(-1, 2**stage, 2, max(1, size // 2))
        order = order.transpose(1, 2).flatten() if size > 1 else order.flatten()
        mixed = torch.empty_like(inputs)
        mixed[:, order] = inputs
        mixed = torch.einsum("o b c, b k c -> o b k", mixed.unflatten(1, (-1, size)), rotation).flatten(1)
        inputs = mixed[:, order]
    return (inputs * tensors["boft_s"].reshape(-1, 1)).reshape(weight.shape)
