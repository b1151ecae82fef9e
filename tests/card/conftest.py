"""Cards that are not there, a child process each, shared by all tests of a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import diffusers
import pytest

from engine.checkpoints.library.upscalers import BUILT_IN
from engine.settings import HOUSE
from tests.card import full_size as sparse
from tests.card import stand_in
from tests.card.combinations import CONTROLLED, CONTROLS
from tests.card.stand_in import Card
from tests.engine.checkpoints import additions, tiny, tiny_sd3
from tests.engine.checkpoints.controls import create_controlnet, write_adapters, write_control_lora, write_union

FULL_SIZE = ("sd1", "sd2_v", "xl", "xl_refiner", "x4_upscaler")
"""The families with a sparse full-size checkpoint."""

CONTROLLED_IN_FULL = ("sd1", "xl")
"""Those of them with a sparse full-size ControlNet."""


PLACES = 160
"""Patches of latents along a side that the tiny Stable Diffusion 3 knows: enough for the pictures that are decoded in tiles."""


@pytest.fixture(scope="session")
def card_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built libraries."""
    obstacle = stand_in.find_obstacle()
    if obstacle:
        pytest.skip(obstacle)
    folder = tmp_path_factory.mktemp("card")
    stand_in.build(folder)
    return folder


@pytest.fixture(scope="session")
def _card(card_libraries: Path) -> Iterator[Card]:
    card = Card(card_libraries)
    yield card
    card.close()


@pytest.fixture
def card(_card: Card) -> Card:
    """A GeForce RTX 3060 of 8 GB."""
    _card.memory, _card.other = 8 * stand_in.GIB, 600
    return _card


@pytest.fixture(scope="session")
def card_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a tiny checkpoint of each kind under its name, control networks, LoRAs, embeddings, a VAE, and the
    built-in upscaler."""
    folder = tmp_path_factory.mktemp("card-models")
    for kind in tiny.KINDS:
        tiny.pipeline(kind).save_pretrained(folder / kind)
    for family in set(CONTROLLED.values()):
        create_controlnet(family).save_pretrained(folder / "controlnet" / f"{family} folder")
    for ending, write in (("t2i folder", write_adapters), ("union folder", write_union), ("control lora", write_control_lora)):
        for family in CONTROLS[ending]:
            write(folder / "controlnet", family)
    additions.write(folder)
    shutil.copytree(HOUSE / "models" / BUILT_IN, folder / BUILT_IN)
    return folder


@pytest.fixture(scope="session")
def sd3_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a tiny checkpoint of each kind of Stable Diffusion 3 under its name, and upscalers."""
    folder = tmp_path_factory.mktemp("card-sd3-models")
    for kind in tiny_sd3.NETWORKS:
        parts = {**tiny_sd3.pipeline(kind).components, "transformer": tiny_sd3.transformer(kind, PLACES)}
        diffusers.StableDiffusion3Pipeline(**parts).save_pretrained(folder / kind)
    tiny.pipeline("x4_upscaler").save_pretrained(folder / "x4_upscaler")
    shutil.copytree(HOUSE / "models" / BUILT_IN, folder / BUILT_IN)
    return folder


@pytest.fixture(scope="session")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with sparse full-size checkpoints."""
    folder = tmp_path_factory.mktemp("full-size")
    for family in FULL_SIZE:
        sparse.write(folder / family, family)
    for family in CONTROLLED_IN_FULL:
        sparse.write_control(folder / "controlnet" / f"{family} control", family)
    return folder
