"""Canaries: what Easel asks of diffusers, transformers and PEFT by name or by their insides. Each failure names what has gone."""

from __future__ import annotations

import diffusers
import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from peft import LoraConfig, inject_adapter_in_model

from engine.checkpoints.families import FAMILIES
from engine.checkpoints.identify.folders import PLAIN
from engine.compat.component_classes import find_pipeline_class, find_scheduler_class
from engine.compat.diffusers_modules import constructor_arguments, optional_components
from engine.compat.text_encoders import find_execution_device, find_lora_layers

PIPELINES = sorted({name for family in FAMILIES if family.signature for name in family.pipelines.values()} | PLAIN)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_class_tells_its_components(name: str) -> None:
    pipeline_class = find_pipeline_class(name)
    arguments = constructor_arguments(pipeline_class)
    assert {"unet", "vae", "scheduler"} <= arguments, f"the constructor of diffusers.{name} takes other names: {arguments}"
    optional = optional_components(pipeline_class)
    assert optional <= arguments, f"diffusers.{name}._optional_components names what its constructor does not take"


def test_a_scheduler_is_found_by_name_and_nothing_else_is() -> None:
    assert find_scheduler_class("DDIMScheduler") is diffusers.DDIMScheduler
    assert find_scheduler_class("UNet2DConditionModel") is None
    assert find_scheduler_class("NoSuchScheduler") is None


def test_accelerates_hook_says_where_a_module_runs() -> None:
    module = torch.nn.Linear(2, 2)
    assert find_execution_device(module) == torch.device("cpu")
    add_hook_to_module(module, AlignDevicesHook(execution_device="meta"))
    assert find_execution_device(module) == torch.device("meta"), "accelerate keeps its hook elsewhere than in _hf_hook"


def test_pefts_layers_are_found() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2))
    assert not find_lora_layers(module)
    inject_adapter_in_model(LoraConfig(r=1, target_modules=["0"]), module)
    layer = find_lora_layers(module)[0]
    assert layer.scaling and layer.active_adapters, "PEFT's LoraLayer tells its strength by other names"
