"""What is found in the user's folders and in those of other programs, and what each thing is called."""

from __future__ import annotations

import json
import struct
import threading
from pathlib import Path

import pytest

from engine import preferences
from engine.checkpoints.library import overrides, search_paths
from engine.checkpoints.library.catalogue import Catalogue, Inventory
from engine.checkpoints.library.overrides import Override
from engine.errors import CheckpointError
from engine.preferences import Preferences
from engine.settings import Settings
from tests.engine.checkpoints.identify.test_other_files import FOREIGN, MORE, OTHERS


def write(path: Path, names: dict[str, list[int]], metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file with half-precision zeros under ``names``: enough to be recognised."""
    entries: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in names.items():
        size = 2
        for n in shape:
            size *= n
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    header = json.dumps(entries).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * end)
    return path


UNET = "model.diffusion_model.input_blocks.0.0.weight"
CLIP = "cond_stage_model.transformer.text_model.final_layer_norm.weight"
OPENCLIP = "cond_stage_model.model.ln_final.weight"
SD1 = {UNET: [8, 4, 3, 3], CLIP: [8]}
SD2 = {UNET: [8, 4, 3, 3], OPENCLIP: [8], "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias": [8]}
XL = {UNET: [8, 4, 3, 3], "conditioner.embedders.1.model.ln_final.weight": [8]}
LORA = {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": [4, 768]}
CONTROL = {
    "control_model.zero_convs.0.0.weight": [8, 8, 1, 1], "control_model.input_blocks.0.0.weight": [8, 4, 3, 3],
    "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [8, 768],
}  # fmt: skip
VAE = {"encoder.conv_in.weight": [4, 3, 3, 3], "decoder.conv_in.weight": [4, 4, 3, 3]}
ESRGAN = {
    "conv_first.weight": [4, 3, 3, 3], "body.0.rdb1.conv1.weight": [4, 4, 3, 3],
    "conv_up1.weight": [4, 4, 3, 3], "conv_up2.weight": [4, 4, 3, 3],
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs")


def found(settings: Settings) -> dict[str, str]:
    return {entry.name: entry.identity.kind for entry in Catalogue(settings).scan().entries}


def test_nothing_in_the_models_folder_stays_unmentioned(settings: Settings) -> None:
    """Every kind that is named, in every container, and a file without meaning for every ending that is looked at."""
    settings.models.mkdir()
    named = {**OTHERS, **{what: {name: (8, 8)} for what, name in MORE.items()}}
    for number, shapes in enumerate(named.values()):
        write(settings.models / f"named {number}.safetensors", {name: list(shape) for name, shape in shapes.items()})
    for what, beginning in FOREIGN.items():
        (settings.models / f"{what}.onnx").write_bytes(beginning)
    for ending in search_paths.ENDINGS:
        (settings.models / f"junk{ending}").write_bytes(b"junk " * 20)
    for name, shapes in {"sd1": SD1, "xl": XL, "lora": LORA, "vae": VAE, "esrgan": ESRGAN}.items():
        write(settings.models / f"{name}.safetensors", shapes)
    scanned = Catalogue(settings).scan()
    assert {entry.path.stem for entry in scanned.entries} == {"sd1", "xl", "lora", "vae", "esrgan"}
    assert {*scanned.refused, *(entry.path for entry in scanned.entries)} == set(settings.models.iterdir())
    assert all(path.name in sentence and sentence.endswith(".") for path, sentence in scanned.refused.items())


def test_content_decides_and_names_say_nothing(settings: Settings) -> None:
    write(settings.models / "lora" / "actually a checkpoint.pt", SD1)
    write(settings.models / "actually a lora.ckpt", LORA)
    write(settings.models / "deep" / "er" / "v.bin", VAE)
    write(settings.models / "thing.safetensors", ESRGAN)
    write(settings.models / "emb.pt", {"emb_params": [3, 768]})
    (settings.models / "notes.txt").write_text("not looked at")
    (settings.models / "page.safetensors").write_text("<html>Not found</html>")
    (settings.models / "half.safetensors.part").write_bytes(b"half")
    catalogue = Catalogue(settings)
    inventory = catalogue.scan()
    assert {e.name: e.identity.kind for e in inventory.entries} == {
        "actually a checkpoint": "checkpoint", "actually a lora": "lora", "deep/er/v": "vae", "thing": "upscaler",
        "emb": "embedding",
    }  # fmt: skip
    assert [path.name for path in inventory.refused] == ["page.safetensors"]
    with pytest.raises(CheckpointError, match="web page"):
        catalogue.find("page")
    with pytest.raises(CheckpointError, match="no checkpoint called “gone”"):
        catalogue.find("gone")


@pytest.mark.parametrize(
    ("mark", "files"),
    [
        (
            "comfy_extras",
            {"models/checkpoints/sub/a": SD1, "models/loras/b": LORA, "models/vae/c": VAE, "models/upscale_models/d": ESRGAN},
        ),
        (
            "webui.py",
            {"models/Stable-diffusion/sub/a": SD1, "models/Lora/b": LORA, "models/VAE/c": VAE, "models/ESRGAN/d": ESRGAN},
        ),
    ],
)
def test_folders_of_other_programs_are_understood_and_only_read(
    mark: str, files: dict[str, dict[str, list[int]]], settings: Settings, tmp_path: Path
) -> None:
    root = tmp_path / "another program"
    for name, content in files.items():
        write(root / f"{name}.safetensors", content)
    (root / mark).mkdir()
    write(root / "embeddings" / "e.safetensors", {"emb_params": [1, 768]})
    write(root / "venv" / "lib" / "weights.bin", SD1)
    write(root / "models" / "ControlNet" / "x.safetensors", CONTROL)
    write(root / "extensions" / "sd-webui-controlnet" / "models" / "y.safetensors", CONTROL)
    preferences.write(settings.data, Preferences(extra_models=(str(root), str(tmp_path / "not there"))))
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    assert found(settings) == {
        "sub/a": "checkpoint",
        "b": "lora",
        "c": "vae",
        "d": "upscaler",
        "e": "embedding",
        "x": "controlnet",
        "y": "controlnet",
    }
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*")} == before


def test_equal_names_stay_apart_and_a_folder_named_twice_counts_once(settings: Settings, tmp_path: Path) -> None:
    write(settings.models / "a.safetensors", SD1)
    write(settings.models / "a.ckpt", SD1)
    write(settings.models / "loras" / "a.safetensors", LORA)
    (settings.models / "loop").symlink_to(settings.models, target_is_directory=True)
    preferences.write(settings.data, Preferences(extra_models=(str(settings.models), str(settings.models / "loras"))))
    assert found(settings) == {"a": "checkpoint", "a.ckpt": "checkpoint", "loras/a": "lora"}


@pytest.mark.parametrize(
    ("content", "metadata", "wanted"),
    [
        (SD1, {}, ("sd1", "epsilon")),
        (SD2, {}, ("sd2_base", "epsilon")),
        (SD2, {"modelspec.prediction_type": "v"}, ("sd2_v", "v_prediction")),
        (SD2, {"modelspec.title": "SD-Turbo"}, ("sd_turbo", "epsilon")),
        (XL, {}, ("xl", "epsilon")),
        (XL, {"modelspec.title": "Thing Lightning"}, ("xl_turbo", "epsilon")),
        ({**XL, "v_pred": [1]}, {}, ("xl", "v_prediction")),
        ({**SD1, "model.diffusion_model.time_embed.cond_proj.weight": [8, 8]}, {}, ("lcm", "epsilon")),
    ],
)
def test_families_and_predictions_are_told_from_the_header(
    content: dict[str, list[int]], metadata: dict[str, str], wanted: tuple[str, str], settings: Settings
) -> None:
    write(settings.models / "x.safetensors", content, metadata)
    entry = Catalogue(settings).find("x")
    assert (entry.family.name, entry.identity.prediction_type) == wanted


def test_what_the_user_knows_better_is_remembered_per_file(settings: Settings) -> None:
    path = write(settings.models / "x.safetensors", SD2)
    write(settings.models / "y.safetensors", SD2)
    overrides.write(settings.data, path, Override("sd2_v", "v_prediction"))
    catalogue = Catalogue(settings)
    x, y = catalogue.find("x"), catalogue.find("y")
    assert (x.family.name, x.family.native_size) == ("sd2_v", 768)
    assert x.config("scheduler")["prediction_type"] == "v_prediction"
    assert (y.family.name, y.config("scheduler")["prediction_type"]) == ("sd2_base", "epsilon")
    overrides.write(settings.data, path, Override())
    assert catalogue.find("x").family.name == "sd2_base"


def test_a_file_that_changed_is_looked_into_again(settings: Settings) -> None:
    path = write(settings.models / "x.safetensors", SD1)
    catalogue = Catalogue(settings)
    first = catalogue.find("x")
    write(path, {**SD1, "more": [4]})
    assert catalogue.find("x").hash != first.hash
    assert catalogue.find(catalogue.find("x").hash[:10]).path == path
    path.unlink()
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        catalogue.find(None)


def test_an_inventory_is_whole_while_other_threads_scan(settings: Settings) -> None:
    """Each inventory holds every file that was there when its scan began, and none changes afterwards."""
    catalogue, seen = Catalogue(settings), list[tuple[int, Inventory, int]]()
    settings.models.mkdir(parents=True)
    done = threading.Event()
    count = 0

    def look() -> None:
        while not done.is_set():
            least = count
            inventory = catalogue.scan()
            seen.append((least, inventory, len(inventory.refused)))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(20):
        (settings.models / f"{number}.safetensors").write_text("<html>Not found</html>")
        count = number + 1
    last = catalogue.scan()
    done.set()
    for thread in threads:
        thread.join()
    assert len(last.refused) == 20
    assert all(least <= refused == len(inventory.refused) for least, inventory, refused in seen)
