"""From an entry of the catalogue to components in memory: offline, one tensor at a time, in the precision that the plan names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import diffusers
import torch
import transformers

from engine.checkpoints.families import CONFIGS, bundled_config
from engine.checkpoints.families import stable_diffusion_3 as sd3
from engine.checkpoints.families.key_mapping import KeyMapping, find_vae_mapping, map_folder
from engine.checkpoints.families.mmdit_keys import map_t5
from engine.checkpoints.files.tensors import DTYPES, TensorStore
from engine.checkpoints.identify import folders
from engine.checkpoints.library.borrowing import explain_missing
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.t5_tokenizer import T5, T5_TOKENIZER
from engine.checkpoints.load import depth_estimator
from engine.checkpoints.load.components import ComponentLoader, IsCancelled, never_cancelled
from engine.checkpoints.load.leftovers import count_tensors
from engine.checkpoints.load.merged_lora import MergedLoraStore
from engine.checkpoints.loaded import (
    Component,
    LoadedCheckpoint,
    LoadedPipeline,
    create_checkpoint,
)
from engine.compat.component_classes import bound_construction, find_scheduler_class, load_preprocessor, load_t5_tokenizer
from engine.errors import CheckpointError, first_line
from engine.json_values import JsonObject
from engine.requests import ExecutionPlan
from engine.requests.resolved import T5_OUT
from engine.storage.items import translate_any_error
from engine.storage.regular_files import check_folder

_MOST_TEXT = 64 * 2**20
"""Bytes of one file with a vocabulary or settings."""


def load_checkpoint(entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled = never_cancelled) -> LoadedCheckpoint:
    """Load all components of ``entry``, a checkpoint of a known family, as ``plan`` says.

    Raises CheckpointError with a sentence for a file that is damaged, incomplete or not what it seems, and CancelledError
    soon after ``cancelled`` says so. Nothing stays in memory then.
    """
    make = ComponentLoader(entry, plan, cancelled)
    parts = _from_folder(entry, make) if entry.is_folder else _from_file(entry, make)
    parts.update({name: _borrow(entry, name, make) for name in entry.borrowed if _is_used(entry, plan, name)})
    if T5 in parts and entry.t5_tokenizer is not None:
        parts[T5_TOKENIZER] = load_t5_tokenizer(entry.t5_tokenizer)
    with translate_any_error(CheckpointError, entry.path.name):
        loaded = create_checkpoint(entry, plan, parts, make.originals)
        return dataclasses.replace(loaded, notices=(*explain_missing(entry), *filter(None, _explain_unused(entry, make))))


def _explain_unused(entry: CheckpointEntry, make: ComponentLoader) -> Iterator[str]:
    """Sentences, some empty, about unused tensors: of the checkpoint, and of each file that lends it its only component."""
    own = [originals for component, originals in make.originals.items() if component not in entry.borrowed]
    yield count_tensors(own, entry.identity.markers).explain(entry.name)
    for component, lender in entry.borrowed.items():
        if component in make.originals and lender.identity.kind in ("vae", "text_encoder"):
            yield count_tensors([make.originals[component]]).explain(lender.name)


def _is_used(entry: CheckpointEntry, plan: ExecutionPlan, component: str) -> bool:
    """Whether a component is loaded: T5 is left out without its tokenizer, or if the plan says so."""
    return component != T5 or (T5 in entry.parts and T5_OUT not in plan.measures)


def _borrow(entry: CheckpointEntry, component: str, make: ComponentLoader) -> Component:
    """A component from the file or folder that lends it, with what the entry's own marker keys say of it."""
    lender = entry.borrowed[component]
    kind, config = entry.family.classes[component], _config_of_lender(entry, lender, component)
    if lender.is_folder:
        kind = folders.components(lender.path)[component][1]
        store, naming = TensorStore(folders.weight_files(lender.path / component)), _folder_naming(kind)
    else:
        store = TensorStore([lender.path])
        naming = _naming_of_lender(lender, component, store)
    return make(kind, component, {**config, **entry.identity.configs.get(component, {})}, store, naming)


def _config_of_lender(entry: CheckpointEntry, lender: CheckpointEntry, component: str) -> JsonObject:
    """Files of one component do not say their configuration: it is that of the entry's family."""
    if lender.identity.kind == "checkpoint":
        return lender.config(component)
    return bundled_config(entry.family, component) if entry.is_folder else entry.config(component)


def _naming_of_lender(lender: CheckpointEntry, component: str, store: TensorStore) -> KeyMapping:
    if lender.identity.kind == "vae":
        return find_vae_mapping(store.names())
    return (sd3.THREE if lender.identity.kind == "text_encoder" else lender.family).key_mapping[component]


# Single files


def _from_file(entry: CheckpointEntry, make: ComponentLoader) -> dict[str, Component]:
    store = TensorStore([entry.path])
    parts: dict[str, Component] = {}
    for component, naming in entry.family.key_mapping.items():
        left_out = component not in entry.identity.parts or not _is_used(entry, make.plan, component)
        if component in entry.borrowed or (component in entry.family.optional and left_out):
            continue
        parts[component] = make(entry.family.classes[component], component, entry.config(component), store, naming)
    for component in ("scheduler", "low_res_scheduler"):
        if component in entry.family.configs:
            parts[component] = _create_scheduler(entry.config(component))
    parts.update(_tokenizers(entry))
    if "depth_estimator" in entry.family.configs:
        parts.update(depth_estimator.from_file(entry, store, make))
    return parts


def _tokenizers(entry: CheckpointEntry) -> dict[str, Component]:
    """CLIP's, from the vocabulary that comes with Easel."""
    rows = entry.family.tokenizers
    return {
        name: transformers.CLIPTokenizer.from_pretrained(str(CONFIGS / folder), pad_token=pad, local_files_only=True)
        for name, (folder, pad) in rows.items()
    }


def _create_scheduler(config: JsonObject) -> diffusers.ConfigMixin:
    """The scheduler that a configuration names, DDIM where diffusers has none of that name."""
    scheduler_class = find_scheduler_class(str(config.get("_class_name"))) or diffusers.DDIMScheduler
    scheduler = scheduler_class.from_config(dict(config))
    return scheduler[0] if isinstance(scheduler, tuple) else scheduler


# Folders


def _from_folder(entry: CheckpointEntry, make: ComponentLoader) -> dict[str, Component]:
    parts: dict[str, Component] = {}
    for component, (library, kind) in folders.components(entry.path).items():
        elsewhere = component in entry.borrowed or not _is_used(entry, make.plan, component)
        if component in ("safety_checker", T5_TOKENIZER) or elsewhere:
            continue
        if kind in folders.MODULES:
            files = folders.weight_files(entry.path / component)
            merged = entry.few_steps if entry.quick and component == "unet" else None
            store = MergedLoraStore(files, merged, component) if merged else TensorStore(files)
            parts[component] = make(kind, component, _read_config(entry, component), store, _folder_naming(kind))
        else:
            with translate_any_error(CheckpointError, f"{entry.path.name}/{component}"):
                parts[component] = _other_part(entry, component, library, kind)
    return parts


def _read_config(entry: CheckpointEntry, component: str) -> JsonObject:
    with translate_any_error(CheckpointError, f"{entry.path.name}/{component}/config.json"):
        return entry.config(component)


def _folder_naming(kind: str) -> KeyMapping:
    return _FOLDER_NAMINGS.get(kind, map_folder)


_FOLDER_NAMINGS: Mapping[str, KeyMapping] = {"DPTForDepthEstimation": depth_estimator.keep_name, "T5EncoderModel": map_t5}


def _other_part(entry: CheckpointEntry, component: str, library: str, kind: str) -> Component:
    """Load a component without weights: scheduler, tokenizer or feature extractor."""
    if component.endswith("scheduler"):
        return _create_scheduler(entry.config(component))
    check_folder(entry.path / component, _MOST_TEXT)
    part = load_preprocessor(kind, str(entry.path / component)) if library == "transformers" else None
    if part is None:
        raise CheckpointError(f"“{entry.path.name}” needs a part that Easel does not know ({kind}).")
    return part


def load_pipeline(entry: CheckpointEntry, plan: ExecutionPlan) -> LoadedPipeline:
    """A folder of a kind outside the table, as diffusers loads it: safetensors only, no network, no code from the folder.

    Raises CheckpointError, a sentence, for what diffusers cannot load.
    """
    dtype = DTYPES[plan.dtypes.get("unet") or plan.dtypes.get("transformer") or "float32"]
    try:
        check_folder(entry.path, folders.MOST_JSON)
        with bound_construction():
            pipeline = diffusers.AutoPipelineForText2Image.from_pretrained(
                str(entry.path), local_files_only=True, use_safetensors=True, dtype=dtype, trust_remote_code=False
            )
    except Exception as error:  # whatever a library's reader raises for a damaged file
        raise CheckpointError(
            f"“{entry.path.name}” is of a kind that Easel does not know, and diffusers could not load it either "
            f"({first_line(error)})."
        ) from error
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module) and name in plan.dtypes:
            part.to(DTYPES[plan.dtype(name)])
    _place(pipeline, plan)
    return LoadedPipeline(pipeline)


def _place(pipeline: diffusers.DiffusionPipeline, plan: ExecutionPlan) -> None:
    """The pipeline on its device, or as much of it at a time as the plan says."""
    if "parts_offload" in plan.measures:
        pipeline.enable_model_cpu_offload(device=plan.device)
    elif "layers_offload" in plan.measures:
        pipeline.enable_sequential_cpu_offload(device=plan.device)
    else:
        pipeline.to(plan.device)
