"""What other libraries do to a text encoder, which only its insides tell: accelerate's hooks."""

from __future__ import annotations

import torch


def find_execution_device(module: torch.nn.Module) -> torch.device:
    """Where a module wants its input: the place of its weights, or where accelerate's hook will move them."""
    device = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
    return torch.device(device) if device is not None else next(module.parameters()).device
