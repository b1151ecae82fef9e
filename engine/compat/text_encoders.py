"""What other libraries attach to a text encoder: accelerate's hooks, and PEFT's layers for LoRAs. Only private attributes
show it."""

from __future__ import annotations

import torch
from peft.tuners.lora import LoraLayer


def find_execution_device(module: torch.nn.Module) -> torch.device:
    """Where a module wants its input: the place of its weights, or where accelerate's hook will move them."""
    device = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
    return torch.device(device) if device is not None else next(module.parameters()).device


def find_lora_layers(module: torch.nn.Module) -> list[LoraLayer]:
    """The layers that PEFT put around those of ``module``; empty without a LoRA."""
    return [layer for layer in module.modules() if isinstance(layer, LoraLayer)]
