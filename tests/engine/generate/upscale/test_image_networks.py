"""Every architecture that spandrel loads, from a file to the result: detected, offered as what it is, loaded and run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from spandrel import MAIN_REGISTRY, ModelLoader

from engine.checkpoints.identify.identify import identify
from engine.checkpoints.identify.image_networks import BY_NAME, KINDS
from engine.checkpoints.library.catalogue import Catalogue
from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.library.upscalers import list_cleaners, list_upscalers
from engine.checkpoints.load.image_network import load_image_network, place_image_network
from engine.errors import CheckpointError
from engine.local import Local
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.requests import ResolvedUpscale, Upscale
from engine.settings import Settings
from tests.engine.generate.upscale.tiny_networks import NAMED_ONLY, NETWORKS, SAME_SIZE, architecture, save_network

PURPOSES = {"SR": "upscaler", "Restoration": "cleaner", "FaceSR": "face_restorer", "Inpainting": "mask_filler"}
USED = [name for name in NETWORKS if architecture(name) != "RestoreFormer"]
ONE_EACH = [name for name in USED if not name.endswith(SAME_SIZE)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a file of each network, every third one pickled."""
    folder = tmp_path_factory.mktemp("models")
    for index, name in enumerate((*NETWORKS, *NAMED_ONLY)):
        save_network(name, folder, pickled=index % 3 == 0)
    return folder


@pytest.fixture(scope="module")
def settings(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("easel")
    return Settings(models=models, outputs=folder / "outputs", data=folder / "data", device="cpu")


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Local]:
    with Local(settings) as local:
        yield local


def file_of(name: str, models: Path) -> Path:
    return next(path for path in models.iterdir() if path.stem == name)


def photo() -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((24, 20), Image.Resampling.BICUBIC)


def test_there_is_a_row_and_a_network_for_every_architecture_in_the_order_of_detection() -> None:
    """After an upgrade of spandrel this says what it added: a row in ``KINDS`` and a tiny network are wanted for each."""
    ids = [support.architecture.id for support in MAIN_REGISTRY.architectures("detection")]
    assert [kind.name for kind in KINDS] == ids
    assert {architecture(name) for name in (*NETWORKS, *NAMED_ONLY)} == set(ids)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_is_told_to_be_what_spandrel_takes_it_for(name: str, models: Path) -> None:
    path = file_of(name, models)
    network, identity = ModelLoader().load_from_file(path), identify(path)
    assert network.architecture.id == architecture(name)
    assert identity.kind == PURPOSES[network.purpose]
    assert identity.reason.endswith(f"({architecture(name)})")


@pytest.mark.parametrize("prefix", ["module.", "netG."])
def test_names_with_the_prefix_of_a_training_framework_are_recognised(prefix: str, tmp_path: Path) -> None:
    weights = {prefix + key: value for key, value in NETWORKS["Compact"]().state_dict().items()}
    torch.save(weights, tmp_path / "some.pth")
    assert identify(tmp_path / "some.pth").kind == "upscaler"


def test_each_is_offered_as_what_it_is(settings: Settings) -> None:
    inventory = Catalogue(settings).scan()
    upscalers, cleaners = ({entry.name for entry in found(inventory)} for found in (list_upscalers, list_cleaners))
    assert upscalers | cleaners == set(USED) and not upscalers & cleaners
    assert {entry.name for kind in ("face_restorer", "mask_filler") for entry in inventory.of_kind(kind)} == {
        "GFPGAN", "LaMa", "RestoreFormer",
    }  # fmt: skip


@pytest.mark.parametrize("name", USED)
def test_it_goes_from_its_file_to_a_result(name: str, engine: Local, settings: Settings, models: Path) -> None:
    network = ModelLoader().load_from_file(file_of(name, models)).eval()
    image = Blobs(settings.data / "blobs").put(photo())
    (result,) = engine.make(Upscale(images=(image,), upscaler=name, factor=network.scale, tile=64, seed=1, precision="bfloat16"))
    assert (result.width, result.height) == (24 * network.scale, 20 * network.scale)
    record = metadata.read(result.path)
    assert record is not None
    assert record.resolved.plan.dtypes == {
        "upscaler": "bfloat16" if "bfloat16" in BY_NAME[architecture(name)].dtypes else "float32"
    }
    with Image.open(result.path) as made:
        made.load()


@pytest.mark.parametrize("name", ONE_EACH)
def test_every_precision_of_its_row_gives_about_the_same(name: str, models: Path) -> None:
    entry = entry_for(file_of(name, models))
    pixels = torch.from_numpy(np.array(photo())).permute(2, 0, 1)[None].float() / 255
    results: dict[str, torch.Tensor] = {}
    for dtype in BY_NAME[architecture(name)].dtypes:
        network = load_image_network(entry)
        place_image_network(network, "cpu", dtype)
        assert dtype != "float16" or network.supports_half, "spandrel knows of a fault"
        assert dtype != "bfloat16" or network.supports_bfloat16, "spandrel knows of a fault"
        given = pixels if network.input_channels == 3 else pixels[:, :1]
        with torch.inference_mode():
            torch.manual_seed(0)
            results[dtype] = network(given.to(next(network.model.parameters()).dtype, copy=True)).float()
    for dtype, result in results.items():
        assert (result - results["float32"]).abs().mean() < 0.04, dtype


def test_a_network_that_adds_noise_gives_the_same_result_again(engine: Local, settings: Settings) -> None:
    image = Blobs(settings.data / "blobs").put(photo())
    made = [engine.make(Upscale(images=(image,), upscaler="AuraSR", seed=seed))[0] for seed in (1, 1, 2)]
    pixels = [np.asarray(Image.open(each.path)) for each in made]
    assert np.array_equal(pixels[0], pixels[1]) and not np.array_equal(pixels[0], pixels[2])


@pytest.mark.parametrize(
    ("name", "said"), [("GFPGAN", "face restorer"), ("RestoreFormer", "face restorer"), ("LaMa", "mask filler")]
)
def test_what_does_something_else_is_named_and_not_used(name: str, said: str, engine: Local, settings: Settings) -> None:
    image = Blobs(settings.data / "blobs").put(photo())
    with pytest.raises(CheckpointError, match=f"not an upscaler but .*{said}"):
        engine.make(Upscale(images=(image,), upscaler=name))


def test_a_cleaner_keeps_the_size_whatever_factor_is_asked_for(engine: Local, settings: Settings) -> None:
    image = Blobs(settings.data / "blobs").put(photo())
    (result,) = engine.make(Upscale(images=(image,), upscaler="NAFNet", factor=4))
    assert (result.width, result.height) == (24, 20)
    record = metadata.read(result.path)
    assert record is not None and isinstance(record.resolved.request, ResolvedUpscale)
    assert record.resolved.request.factor == 1.0
