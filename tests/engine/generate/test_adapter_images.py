"""LoRAs of every method: the image is that of a checkpoint with the merged weights, which the method's own library computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.local import Local
from engine.requests import TextToImage
from engine.settings import Settings
from tests.engine.checkpoints import tiny
from tests.engine.checkpoints.adapters import writers
from tests.engine.checkpoints.adapters.test_merge import LAYERS, layer_of, write

Studio = tuple[Local, Settings]

FAST = {("sd1", "LoHa"): (0.35,), ("sd1", "DoRA by rows"): (-1.0,), ("xl", "LoKr"): (1.0,)}
"""Family and method -> the strengths that are tried without --long; ``test_merge.py`` tries every method's weights at all."""

CASES = [
    *(pytest.param(family, method, strengths, id=f"{family}-{method}") for (family, method), strengths in FAST.items()),
    *(
        pytest.param(family, method, (0.35,), marks=pytest.mark.long, id=f"{family}-{method}-too")
        for family in LAYERS
        for method in writers.LINEAR_AND_CONVOLUTION
    ),
]


def picture(studio: Studio, prompt: str, checkpoint: str) -> np.ndarray[Any, Any]:
    """Pixels of an image, height x width x 3, 0 to 255."""
    asked = TextToImage(prompt=prompt, checkpoint=checkpoint, seed=3, steps=2, width=16, height=16, scheduler="DDIM")
    with Image.open(studio[0].make(asked)[0].path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


@pytest.mark.parametrize(("family", "method", "strengths"), CASES)
def test_the_image_is_that_of_the_merged_weights(family: str, method: str, strengths: tuple[float, ...], studio: Studio) -> None:
    name, loaded = f"{family} {method}".replace(",", ""), tiny.loaded(family)
    made = write(
        studio[1].models / "loras" / f"{name}.safetensors", loaded, family, writers.LINEAR_AND_CONVOLUTION[method]
    )  # fmt: skip
    plain = picture(studio, "a cat", family)
    for strength in strengths:
        pipeline = tiny.pipeline(family)
        modules = {component: getattr(pipeline, component) for component in LAYERS[family]}
        for place, found in made.items():
            component, _, layer_name = place.partition("/")
            layer: Any = layer_of(modules[component], layer_name)
            with torch.no_grad():
                layer.weight += strength * (found.weight - layer.weight)
                if found.bias is not None and layer.bias is not None:
                    layer.bias += strength * (found.bias - layer.bias)
        pipeline.save_pretrained(studio[1].models / f"merged {name} {strength}")
        with_lora = picture(studio, f"a cat <lora:{name}:{strength}>", family)
        assert np.abs(with_lora - picture(studio, "a cat", f"merged {name} {strength}")).max() <= 1
        if method != "OFT, bounded" or strength == 0:  # its bound is too narrow to be seen
            assert (np.abs(with_lora - plain).max() > 1) == (strength != 0)
