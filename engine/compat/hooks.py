"""What the hooks of accelerate and diffusers change in a network: the device that it computes on, the dtype of its large
weights, which may be kept in fewer bits and widened layer by layer, and where they wait between their layers' turns: in
page-locked memory."""

from __future__ import annotations

import torch
from diffusers.hooks import HookRegistry, apply_group_offloading
from diffusers.hooks.group_offloading import _maybe_remove_and_reapply_group_offloading  # pyright: ignore[reportPrivateUsage]
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
                tensor.data = copy_for_waiting(tensor.data.to(dtype), tensor.is_pinned())
    refresh_offload(module)


def offload_layers(module: torch.nn.Module, device: torch.device) -> None:
    """Let the weights of ``module`` wait in RAM and come to ``device`` layer by layer, each while the one before computes, where
    the device copies beside computing. What is waiting is never copied back.

    Such weights must be page-locked already (:func:`copy_for_waiting`), so that LoRAs change the very tensors that are copied.
    """
    beside = device.type == "cuda"
    apply_group_offloading(
        module, device, torch.device("cpu"), offload_type="leaf_level", use_stream=beside, record_stream=beside
    )  # fmt: skip


def refresh_offload(module: torch.nn.Module) -> None:
    """Have layers that wait in RAM (:func:`offload_layers`) wait with the weights that they have now: some were replaced."""
    _maybe_remove_and_reapply_group_offloading(module)


def copy_for_waiting(tensor: torch.Tensor, locked: bool) -> torch.Tensor:
    """``tensor``, in page-locked memory if ``locked``: from there a device copies it beside its work."""
    return tensor.pin_memory() if locked else tensor


def give_back_page_locked() -> None:
    """Give page-locked memory that torch's allocator holds unused back to the system. Only a private function does that in all
    versions of torch that are supported; there is none in builds without CUDA."""
    empty = vars(torch._C).get("_host_emptyCache")  # pyright: ignore[reportPrivateUsage]
    if empty is not None and torch.cuda.is_initialized():
        empty()


def _find_hook(module: torch.nn.Module) -> LayerwiseCastingHook | None:
    registry = vars(module).get("_diffusers_hook")
    hook = registry.get_hook(_HOOK) if isinstance(registry, HookRegistry) else None
    return hook if isinstance(hook, LayerwiseCastingHook) else None
