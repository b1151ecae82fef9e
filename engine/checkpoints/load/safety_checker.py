"""A checkpoint's own safety checker: CLIP's vision encoder and a list of concepts that images are compared with.

It was published with Stable Diffusion 1 (CompVis/stable-diffusion-safety-checker), and lies in diffusers folders only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPImageProcessor

from engine.checkpoints.families.key_mapping import Config, TensorSource
from engine.checkpoints.files.tensors import TensorStore
from engine.checkpoints.identify import folders
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.components import IsCancelled, make_component, never_cancelled
from engine.errors import CheckpointError
from engine.requests import ExecutionPlan
from engine.storage.items import translate_any_error
from engine.storage.regular_files import check_folder

COMPONENT = "safety_checker"


@dataclass(frozen=True)
class SafetyChecker:
    """``extractor`` converts an image to the input of ``network``. ``bytes``: size of its weights."""

    network: StableDiffusionSafetyChecker
    extractor: CLIPImageProcessor
    bytes: int

    def objects_to(self, image: Image.Image) -> bool:
        """Whether the checker flags ``image``."""
        pixels = self.extractor(images=image, return_tensors="pt").pixel_values
        # The network blackens flagged images in place, so it gets a dummy instead of the image.
        _, found = self.network(clip_input=pixels, images=[np.zeros(1)])
        return bool(found[0])


def is_brought(entry: CheckpointEntry) -> bool:
    """Whether ``entry`` has a safety checker with weights. Many folders name one in their index and leave it out."""
    there = entry.is_folder and COMPONENT in folders.components(entry.path)
    return there and any((entry.path / COMPONENT / name).is_file() for name in folders.WEIGHTS)


def load_safety_checker(entry: CheckpointEntry, plan: ExecutionPlan, cancelled: IsCancelled = never_cancelled) -> SafetyChecker:
    """The safety checker of ``entry``, on the CPU in float32, so that it needs no device memory. Raises as loading a
    checkpoint does."""
    store = TensorStore(folders.weight_files(entry.path / COMPONENT))
    config = entry.config(COMPONENT)
    processor = dataclasses.replace(plan, device="cpu", storage={}, measures=())
    network = make_component(
        "StableDiffusionSafetyChecker", COMPONENT, config, store, _find_published_name, entry, processor, cancelled
    )
    if not isinstance(network, StableDiffusionSafetyChecker):
        raise CheckpointError(f"“{entry.path.name}” has a safety checker of a kind that Easel does not know.")
    size = sum(tensor.nbytes for tensor in network.parameters())
    return SafetyChecker(network, _extractor(entry), size)


def _extractor(entry: CheckpointEntry) -> CLIPImageProcessor:
    """CLIP's image preprocessing; the defaults are the published ones."""
    folder = entry.path / "feature_extractor"
    if (folder / "preprocessor_config.json").is_file():
        with translate_any_error(CheckpointError, f"{entry.path.name}/{folder.name}"):
            check_folder(folder, folders.MOST_JSON)
            return CLIPImageProcessor.from_pretrained(str(folder), local_files_only=True)
    return CLIPImageProcessor()


def _find_published_name(name: str, config: Config) -> TensorSource:
    """A tensor's own name, or what versions of transformers with more or fewer layers of wrapping call it."""
    if not name.startswith("vision_model."):
        return TensorSource((name,))
    inner = name.removeprefix("vision_model.").removeprefix("vision_model.")
    return TensorSource((f"vision_model.vision_model.{inner}", f"vision_model.{inner}"))
