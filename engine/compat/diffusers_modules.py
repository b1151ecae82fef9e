"""What Easel needs from diffusers' pipeline classes beyond their documented interface."""

from __future__ import annotations

import inspect

from diffusers import DiffusionPipeline


def constructor_arguments(pipeline_class: type[DiffusionPipeline]) -> frozenset[str]:
    """The names that the constructor of a pipeline class takes."""
    return frozenset(inspect.signature(pipeline_class.__init__).parameters) - {"self"}


def optional_components(pipeline_class: type[DiffusionPipeline]) -> frozenset[str]:
    """The components that a pipeline class can work without. Its constructor has no default for them, hence this private list."""
    return frozenset(pipeline_class._optional_components)  # pyright: ignore[reportPrivateUsage]
