"""The table of families: each row is whole and told from all others; a new one takes a file, a line and a configuration."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import diffusers
import pytest
import torch
import transformers
from safetensors.torch import save_file

from engine.checkpoints.families import BASE_MODELS, BY_NAME, CONFIGS, FAMILIES, TASKS, Family, bundled_config, look_alikes
from engine.checkpoints.identify.evidence import Evidence, find_family
from engine.checkpoints.load.components import build
from engine.generate.samplers import SCHEDULERS
from engine.settings import HOUSE
from tests.engine.checkpoints import originals, tiny

IN_FILES = [family for family in FAMILIES if family.signature is not None]


def name_of(family: Family) -> str:
    return family.name


PUBLISHED = {
    "lcm": (4, 8.0, 512), "lcm_xl": (4, 8.0, 1024), "sd_turbo": (4, 1.0, 512), "xl_turbo": (4, 1.0, 512),
    "sd3_medium": (28, 7.0, 1024), "sd35_medium": (40, 4.5, 1024), "sd35_large": (28, 3.5, 1024),
    "sd35_large_turbo": (4, 1.0, 1024),
}  # fmt: skip
"""Family -> steps, CFG scale and side of an image by its model card."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_family_draws_as_its_model_card_recommends(name: str) -> None:
    family = BY_NAME[name]
    assert (family.steps, family.guidance_scale, family.native_size) == PUBLISHED[name]


def test_no_two_families_have_one_name() -> None:
    assert len(BY_NAME) == len(FAMILIES) and len({family.label for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=name_of)
def test_a_row_names_only_what_exists(family: Family) -> None:
    assert family.pipelines.keys() <= TASKS.keys()
    assert all(hasattr(diffusers, pipeline) for pipeline in family.pipelines.values())
    assert family.scheduler in SCHEDULERS
    assert all((CONFIGS / f"{name}.json").is_file() for name in family.configs.values())
    assert all((CONFIGS / folder / "vocab.json").is_file() for folder, _ in family.tokenizers.values())
    assert family.native_size % family.size_multiple == 0
    assert family.signature or family.marker_file or family.loaded_by_diffusers
    assert family.base is None or BASE_MODELS[family.base.name] is family.base


@pytest.mark.parametrize("family", IN_FILES, ids=name_of)
def test_a_row_of_single_files_says_how_each_component_loads(family: Family) -> None:
    networks = family.configs.keys() - {"scheduler", "low_res_scheduler"}
    assert family.key_mapping.keys() == networks - {"depth_estimator"}
    assert family.dtypes.keys() == networks
    read = {each.replace("text_encoder", "tokenizer") for each in networks - family.optional if "text" in each}
    assert family.tokenizers.keys() == read
    assert family.optional <= networks
    if family.preview is not None:
        assert len(family.preview.factors) == bundled_config(family, "vae")["latent_channels"]


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.parameters], ids=name_of)
def test_the_published_numbers_of_parameters_are_those_of_the_configurations(family: Family) -> None:
    for component, count in family.parameters.items():
        network = build(family.classes[component], bundled_config(family, component))
        stored = {name for name in network.state_dict() if name != "encoder.embed_tokens.weight"}  # T5's second name of one table
        assert sum(network.state_dict()[name].numel() for name in stored) == pytest.approx(count, rel=0.01)


@pytest.mark.parametrize("family", IN_FILES, ids=name_of)
def test_what_a_row_says_of_its_networks_stands_in_their_configurations(family: Family) -> None:
    signature, base = family.signature, family.base
    assert signature is not None
    network = "unet" if "unet" in family.configs else "transformer"
    denoiser = bundled_config(family, network)
    if network == "unet":
        assert denoiser["in_channels"] == signature.channels
        assert denoiser["cross_attention_dim"] == signature.text.context_width
        assert (denoiser.get("time_cond_proj_dim") is not None) == signature.guidance_embedding
    if base is None or network != "unet" or "text_encoder" not in family.configs:  # the refiner has one of XL's two encoders
        return
    widths = [
        bundled_config(family, name)["hidden_size"] for name in family.configs if name in ("text_encoder", "text_encoder_2")
    ]
    assert (base.token_width, base.embedding_width) == (sum(widths), widths[-1])
    assert base.latent_channels == bundled_config(family, "vae")["latent_channels"]
    assert base.context_width == denoiser["cross_attention_dim"]
    assert base.unet_levels == len(denoiser["block_out_channels"])


@pytest.mark.parametrize("family", IN_FILES, ids=name_of)
def test_what_a_family_looks_like_leads_back_to_it(family: Family) -> None:
    signature = family.signature
    assert signature is not None
    evidence = Evidence(
        text=signature.text, channels=signature.channels, guidance_embedding=signature.guidance_embedding,
        few_steps=signature.few_steps, network=signature.network,
    )  # fmt: skip
    assert find_family(evidence, family.prediction_type) is family
    assert family in look_alikes(family)


ROW = """
from engine.checkpoints.families import key_mapping
from engine.checkpoints.families.family import BaseModel, Family, Signature, TextLayout

FAMILIES = (
    Family(
        name="made_up", label="Made-up Diffusion", native_size=32, steps=2, guidance_scale=2.0, scheduler="Euler",
        base=BaseModel(name="made_up", label="Made-up", context_width=48, embedding_width=48, token_width=48),
        signature=Signature(
            text=TextLayout(
                name="made_up", description="a made-up text encoder", context_width=48, hidden_act="gelu_new",
                prefixes={"text_encoder": ("made_up.transformer.",)},
                key_mapping={"text_encoder": key_mapping.map_clip("made_up.transformer.")},
            ),
        ),
        configs={
            "unet": "unet_made_up", "vae": "vae_sd", "text_encoder": "text_clip_l", "scheduler": "scheduler_sd1",
        },
    ),
)
"""

USE = """
import json, sys
from pathlib import Path

import torch

from engine import Local, Settings, TextToImage
from engine.checkpoints.cache import CheckpointCache
from engine.checkpoints.families import BY_NAME, bundled_config
from engine.checkpoints.library.entry import entry_for
from engine.requests import ExecutionPlan

torch.set_num_threads(1)
models, data = Path(sys.argv[1]), Path(sys.argv[2])
folder, file = entry_for(models / "folder"), entry_for(models / "file.safetensors", configs=models / "folder")
cache = CheckpointCache(2**30)
with cache.lease(folder, ExecutionPlan()) as one, cache.lease(file, ExecutionPlan()) as other:
    same = all(
        torch.equal(weight, other.modules[name].state_dict()[key])
        for name, module in one.modules.items() for key, weight in module.state_dict().items()
    )
settings = Settings(models=models, data=data / "data", outputs=data / "outputs", device="cpu", precision="float32")
with Local(settings) as local:
    (result,) = local.make(TextToImage(prompt="a cat", checkpoint="folder", seed=1))
print(json.dumps({
    "families": [folder.identity.family, file.identity.family], "same": same,
    "size": [result.width, result.height], "saved": result.path.is_file(),
    "config": bundled_config(BY_NAME["made_up"], "unet")["cross_attention_dim"],
}))
"""


def made_up() -> diffusers.StableDiffusionPipeline:
    """A tiny pipeline whose text encoder is none that Easel knows."""
    torch.manual_seed(1)
    config = transformers.CLIPTextConfig(
        hidden_size=48, intermediate_size=37, num_attention_heads=4, num_hidden_layers=2, projection_dim=48,
        hidden_act="gelu_new", bos_token_id=49406, eos_token_id=49407, pad_token_id=1,
    )  # fmt: skip
    return diffusers.StableDiffusionPipeline(
        unet=tiny.unet(cross_attention_dim=48), vae=tiny.vae(), text_encoder=transformers.CLIPTextModel(config).eval(),
        tokenizer=tiny.tokenizer("<|endoftext|>"), scheduler=diffusers.DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_new_family_is_a_file_a_line_and_a_configuration(tmp_path: Path) -> None:
    shutil.copytree(HOUSE / "engine", tmp_path / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    pipeline, families = made_up(), tmp_path / "engine" / "checkpoints" / "families"
    (families / "made_up.py").write_text(ROW, "utf-8")
    table = (families / "__init__.py").read_text("utf-8")
    table = table.replace("    other,\n", "    made_up,\n    other,\n", 1)
    table = table.replace("    *starter.", "    *made_up.FAMILIES,\n    *starter.")
    (families / "__init__.py").write_text(table, "utf-8")
    (families.parent / "configs" / "unet_made_up.json").write_text(json.dumps(dict(pipeline.unet.config)), "utf-8")

    models = tmp_path / "models"
    pipeline.save_pretrained(models / "folder")
    weights = {
        **originals.unet(pipeline.unet), **originals.vae(pipeline.vae), **originals.clip(pipeline.text_encoder, "made_up."),
    }  # fmt: skip
    save_file({name: weight.clone().contiguous() for name, weight in weights.items()}, models / "file.safetensors")

    done = subprocess.run(
        [sys.executable, "-c", USE, str(models), str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "families": ["made_up", "made_up"], "same": True, "size": [16, 16], "saved": True, "config": 48,
    }  # fmt: skip
