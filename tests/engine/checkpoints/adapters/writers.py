"""Adapter files of every method, written by LyCORIS' and PEFT's own code, with the weights that these libraries merge.

A maker takes a layer and gives its tensors, by LyCORIS' names, and what the weight (and bias) is at strength 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule


@dataclass(frozen=True)
class Made:
    """A layer's tensors, and its weight and bias at strength 1."""

    tensors: Mapping[str, torch.Tensor]
    weight: torch.Tensor
    bias: torch.Tensor | None = None


Maker = Callable[[torch.nn.Module, torch.Generator], Made]


def _lycoris(kind: Any, **options: Any) -> Maker:
    def make(layer: torch.nn.Module, generator: torch.Generator) -> Made:
        module = kind("layer", layer, 1.0, **options)
        with torch.no_grad():
            for parameter in module.parameters():
                small = 0.3 * torch.randn(parameter.shape, generator=generator)
                parameter.copy_(parameter + small if parameter.shape and parameter.mean() > 0.5 else small)
            if "dora_scale" in dict(module.named_parameters()):
                module.dora_scale.mul_(1 + 0.2 * torch.rand(module.dora_scale.shape, generator=generator))
            merged, bias = _merge(module, kind)
            tensors = {name: t.detach().clone().contiguous() for name, t in module.state_dict().items()}
            custom = module.custom_state_dict() if hasattr(module, "custom_state_dict") else None
        if kind is FullModule:
            tensors = {"diff": module.weight.detach().clone()}
            if module.bias is not None:
                tensors["diff_b"] = module.bias.detach().clone()
        elif custom:
            tensors = {name: t.detach().clone().contiguous() for name, t in custom.items()}
        weight = layer.get_parameter("weight")
        return Made(tensors, merged.detach().clone().reshape(weight.shape), None if bias is None else bias.detach().clone())

    return make


def _merge(module: Any, kind: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The weight that the module computes with. LoHa's and LoKr's ``get_merged_weight`` multiplies by the scale twice, unlike
    their ``forward``, which the files were trained with."""
    if kind not in (LohaModule, LokrModule):
        return module.get_merged_weight(1.0)
    changed = module.org_weight + module.get_weight(module.shape)
    return (module.apply_weight_decompose(changed) if module.wd else changed), None


LINEAR_AND_CONVOLUTION: Mapping[str, Maker] = {
    "LoRA": _lycoris(LoConModule, lora_dim=3, alpha=1.5),
    "rsLoRA": _lycoris(LoConModule, lora_dim=4, alpha=1.5, rs_lora=True),
    "LoRA, CP decomposition": _lycoris(LoConModule, lora_dim=3, alpha=2.0, use_tucker=True),
    "DoRA by rows": _lycoris(LoConModule, lora_dim=3, alpha=1.5, weight_decompose=True, wd_on_out=True),
    "DoRA by columns": _lycoris(LoConModule, lora_dim=3, alpha=1.5, weight_decompose=True, wd_on_out=False),
    "LoHa": _lycoris(LohaModule, lora_dim=3, alpha=1.5),
    "LoHa, Tucker": _lycoris(LohaModule, lora_dim=3, alpha=1.5, use_tucker=True),
    "LoHa with a magnitude": _lycoris(LohaModule, lora_dim=3, alpha=1.5, weight_decompose=True),
    "LoKr": _lycoris(LokrModule, lora_dim=2, alpha=1.0, factor=4),
    "LoKr of low rank": _lycoris(LokrModule, lora_dim=1, alpha=0.5, factor=4, decompose_both=True),
    "LoKr, Tucker": _lycoris(LokrModule, lora_dim=2, alpha=1.0, factor=4, use_tucker=True),
    "LoKr of whole matrices": _lycoris(LokrModule, lora_dim=2, alpha=1.0, factor=4, full_matrix=True),
    "LoKr with a magnitude": _lycoris(LokrModule, lora_dim=2, alpha=1.0, factor=4, weight_decompose=True),
    "full difference": _lycoris(FullModule),
    "GLoRA": _lycoris(GLoRAModule, lora_dim=3, alpha=1.5),
    "IA3 of outputs": _lycoris(IA3Module),
    "IA3 of inputs": _lycoris(IA3Module, train_on_input=True),
    "OFT": _lycoris(DiagOFTModule, lora_dim=4),
    "OFT, bounded": _lycoris(DiagOFTModule, lora_dim=4, constraint=0.001),
    "OFT, rescaled": _lycoris(DiagOFTModule, lora_dim=4, rescaled=True),
    "BOFT": _lycoris(ButterflyOFTModule, lora_dim=4),
}
"""Method -> its maker, for linear layers and convolutions of 3 x 3 whose sides are multiples of 8."""

NORM: Maker = _lycoris(NormModule)
