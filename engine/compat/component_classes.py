"""diffusers' and transformers' classes by the names that configurations give them.

Both libraries import their classes when a name is asked for, so that only their modules' attributes tell what there is.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import diffusers
import transformers
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook, register_module_parameter_registration_hook
from transformers import DPTImageProcessor, PreTrainedModel, PreTrainedTokenizerFast, T5Tokenizer

from engine.errors import CheckpointError
from engine.json_values import JsonObject

_MOST_PARTS = 20_000
"""Several times what any published network has: XL's UNet has 3,609."""

_UNEXPORTED: Mapping[str, type[PreTrainedModel]] = {"StableDiffusionSafetyChecker": StableDiffusionSafetyChecker}
"""Classes that neither library has at its top."""

_PREPROCESSORS = ("Tokenizer", "TokenizerFast", "ImageProcessor", "ImageProcessorFast", "FeatureExtractor")
"""How the names of classes end that hold no weights. A folder may name anything that transformers has, such as a model, which
would be loaded whole, or an Auto class, which asks whether to run code from the folder."""


def find_scheduler_class(name: str) -> type[ConfigMixin] | None:
    """One of diffusers' schedulers, None if there is none of that name."""
    found = getattr(diffusers, name, None)
    if isinstance(found, type) and issubclass(found, SchedulerMixin) and issubclass(found, ConfigMixin):
        return found
    return None


def load_preprocessor(name: str, folder: str) -> transformers.CLIPTokenizer | DPTImageProcessor | None:
    """A tokenizer or image processor of transformers from its files, None if there is no such class of that name.

    Old folders name image processors "feature extractors". Raises OSError or ValueError for files that cannot be used.
    """
    found = getattr(transformers, name, None) or getattr(transformers, name.replace("FeatureExtractor", "ImageProcessor"), None)
    if found is None or name.startswith("Auto") or not name.endswith(_PREPROCESSORS):
        return None
    return found.from_pretrained(folder, local_files_only=True)


def load_t5_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """T5's tokenizer from its ``tokenizer.json`` or ``spiece.model``. Raises CheckpointError for a file that is damaged."""
    try:
        if path.suffix == ".json":
            return PreTrainedTokenizerFast(
                tokenizer_file=str(path), eos_token="</s>", unk_token="<unk>", pad_token="<pad>", model_max_length=512
            )
        return T5Tokenizer(**T5Tokenizer.convert_to_native_format(vocab_file=str(path)), model_max_length=512)
    except Exception as error:  # tokenizers raises bare Exception for any error in a file
        raise CheckpointError(
            f"T5's tokenizer “{path.name}” cannot be read ({str(error)[:200]}). Fetch it again, or take it away."
        ) from error


def create_module(name: str, config: JsonObject) -> nn.Module:
    """A network of class ``name`` with fresh weights. Raises AttributeError if no library has the class, and whatever the class
    raises for a configuration that does not fit."""
    with bound_construction():
        return _create(name, config)


@contextmanager
def bound_construction() -> Generator[None]:
    """Within it, a network of this thread that gets more parts than any published one raises ValueError: a configuration may ask
    for millions of layers, which would take hours and all memory although none has weights."""
    thread, parts = threading.get_ident(), itertools.count(1)

    def count(module: nn.Module, name: str, part: nn.Module | nn.Parameter | None) -> None:
        if threading.get_ident() == thread and next(parts) > _MOST_PARTS:
            raise ValueError(f"it asks for more than {_MOST_PARTS:,} layers and weights")

    with register_module_module_registration_hook(count), register_module_parameter_registration_hook(count):
        yield


def _create(name: str, config: JsonObject) -> nn.Module:
    if hasattr(diffusers, name):
        module: nn.Module = getattr(diffusers, name).from_config(dict(config))
        return module
    found: type[PreTrainedModel] = _UNEXPORTED.get(name) or getattr(transformers, name)
    if found.config_class is None:
        raise AttributeError(f"{name} has no configuration")
    return found(found.config_class.from_dict(dict(config)))
