"""What the hooks of accelerate and diffusers change in a network: the device that it computes on, and the dtype of its large
weights, which may be kept in fewer bits and widened layer by layer."""

from __future__ import annotations

import torch
from diffusers.hooks import HookRegistry
from diffusers.hooks.layerwise_casting import LayerwiseCastingHook

_HOOK = "layerwise_casting"


def find_execution_device(module: torch.nn.Module) -> torch.device:
    """Where a module wants its input: the place of its weights, or where accelerate's hook will move them."""
    device = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
    return torch.device(device) if device is not None else next(module.parameters()).device


def change_dtype(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Let ``module`` compute in ``dtype``. Weights that are kept in fewer bits stay so, and are widened to it from now on.

    ``module.to(dtype)`` would widen those too, and their layers would go on computing in the earlier dtype.
    """
    for part in module.modules():
        hook = _find_hook(part)
        if hook is not None:
            hook.compute_dtype = dtype
            continue
        for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(dtype)


def _find_hook(module: torch.nn.Module) -> LayerwiseCastingHook | None:
    registry = vars(module).get("_diffusers_hook")
    hook = registry.get_hook(_HOOK) if isinstance(registry, HookRegistry) else None
    return hook if isinstance(hook, LayerwiseCastingHook) else None
