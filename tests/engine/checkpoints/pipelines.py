"""A diffusers pipeline around the components of a loaded checkpoint, to compare Easel's own runs with."""

from __future__ import annotations

import inspect

import diffusers
from diffusers import DiffusionPipeline

from engine.checkpoints.loaded import Component, LoadedCheckpoint


def create_pipeline(loaded: LoadedCheckpoint, task: str = "") -> DiffusionPipeline:
    """The pipeline of the family for ``task``, a key of :attr:`~engine.checkpoints.families.Family.pipelines`, or its
    first."""
    classes = loaded.family.pipelines
    pipeline_class = getattr(diffusers, classes[task or next(iter(classes))])
    accepted = inspect.signature(pipeline_class.__init__).parameters
    empty = dict.fromkeys(set(pipeline_class._optional_components) | {"safety_checker", "feature_extractor", "image_encoder"})
    given: dict[str, Component | bool | int | None] = {
        **empty,
        **_components(loaded),
        **loaded.family.pipeline_options,
        "requires_safety_checker": False,
        "add_watermarker": False,
    }
    pipeline = pipeline_class(**{name: value for name, value in given.items() if name in accepted})
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _components(loaded: LoadedCheckpoint) -> dict[str, Component | None]:
    others = {
        "tokenizer": loaded.tokenizer,
        "tokenizer_2": loaded.tokenizer_2,
        "low_res_scheduler": loaded.low_res_scheduler,
        "feature_extractor": loaded.feature_extractor,
    }
    none = dict.fromkeys(("text_encoder", "text_encoder_2"))
    return {"scheduler": loaded.scheduler, **none, **loaded.modules, **others}
