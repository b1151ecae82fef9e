"""Canaries: what Easel asks of diffusers and transformers by name or by their insides. Each failure names what has gone."""

from __future__ import annotations

import diffusers
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module

from engine.compat.component_classes import find_scheduler_class
from engine.compat.hooks import find_execution_device


def test_a_scheduler_is_found_by_name_and_nothing_else_is() -> None:
    assert find_scheduler_class("DDIMScheduler") is diffusers.DDIMScheduler
    assert find_scheduler_class("UNet2DConditionModel") is None
    assert find_scheduler_class("NoSuchScheduler") is None


def test_accelerates_hook_says_where_a_module_runs() -> None:
    module = torch.nn.Linear(2, 2)
    assert find_execution_device(module) == torch.device("cpu")
    add_hook_to_module(module, AlignDevicesHook(execution_device="meta"))
    assert find_execution_device(module) == torch.device("meta"), "accelerate keeps its hook elsewhere than in _hf_hook"
