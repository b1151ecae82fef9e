"""A checkpoint's own safety checker: off it does nothing, on it withholds what it objects to, and never a black image."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image

from engine import preferences
from engine.checkpoints.download.hub import choose_files
from engine.checkpoints.library.entry import entry_for
from engine.checkpoints.load.safety_checker import SafetyChecker, is_brought, load_safety_checker
from engine.errors import ImageWithheld
from engine.events import Event, ImageSaved, Notice, Step
from engine.local import Local
from engine.preferences import Preferences
from engine.requests import CompareNegative, ExecutionPlan, StudyNegative, TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from tests.engine.checkpoints import tiny

ASKED = TextToImage(prompt="a cat", checkpoint="careful", width=16, height=16, steps=2, seed=1, scheduler="DDIM")
ALWAYS, NEVER = -2.0, 2.0
"""Thresholds for a cosine: always and never exceeded."""

_jobs = itertools.count()


def checker(threshold: float) -> StableDiffusionSafetyChecker:
    """A tiny one that objects to what comes closer to its concepts than ``threshold``."""
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32}
    config = transformers.CLIPConfig(vision_config={**vision, "patch_size": 16, "projection_dim": 8}, projection_dim=8)
    torch.manual_seed(0)
    made = StableDiffusionSafetyChecker(config).eval()
    for weights in made.parameters():
        torch.nn.init.normal_(weights, std=0.5)
    made.concept_embeds_weights.fill_(threshold)
    made.special_care_embeds_weights.fill_(NEVER)
    return made


def extractor() -> transformers.CLIPImageProcessor:
    side = {"height": 32, "width": 32}
    return transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=side)


def write(folder: Path, network: StableDiffusionSafetyChecker) -> None:
    """A tiny checkpoint with a safety checker, as diffusers writes it."""
    made = tiny.pipeline("sd1")
    parts: dict[str, Any] = {**made.components, "safety_checker": network, "feature_extractor": extractor()}
    diffusers.StableDiffusionPipeline(**parts, requires_safety_checker=True).save_pretrained(folder)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Callable[[StableDiffusionSafetyChecker, bool], Local]]:
    """``studio(network, wanted)``: an engine over one checkpoint that brings ``network``."""
    settings = Settings(
        models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs", device="cpu", precision="float32"
    )
    made: list[Local] = []

    def new(network: StableDiffusionSafetyChecker, wanted: bool) -> Local:
        write(settings.models / "careful", network)
        preferences.write(settings.data, Preferences(safety_checker=wanted))
        made.append(Local(settings))
        torch.set_num_threads(1)
        return made[-1]

    yield new
    for local in made:
        local.close()


Studio = Callable[[StableDiffusionSafetyChecker, bool], Local]


def pictures(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "outputs").rglob("*.png"))


def heard(local: Local, request: TextToImage, events: list[Event]) -> list[Event]:
    """Puts into ``events`` what is said until the job ends, also where it ends in an error."""
    events.extend(local.run(f"job{next(_jobs)}", request, Stop()))
    return events


def test_off_it_is_not_even_loaded(studio: Studio, tmp_path: Path) -> None:
    local = studio(checker(ALWAYS), False)
    events = heard(local, ASKED, [])
    assert len(pictures(tmp_path)) == 1
    assert not any(isinstance(event, Notice) for event in events)
    assert all(held.safety_checker is None for held in local._state.cache._held.values())


def test_on_what_it_objects_to_is_withheld_and_never_seen(studio: Studio, tmp_path: Path) -> None:
    local, events = studio(checker(ALWAYS), True), []
    with pytest.raises(ImageWithheld, match=r"withheld.*safety checker.*Settings tab"):
        heard(local, dataclasses.replace(ASKED, steps=6), events)
    assert pictures(tmp_path) == []
    assert not any(isinstance(event, ImageSaved) for event in events)
    previews = [event.preview for event in events if isinstance(event, Step)]
    assert len(previews) == 6 and set(previews) == {None}


def test_on_what_it_lets_pass_is_the_same_picture(studio: Studio, tmp_path: Path) -> None:
    heard(studio(checker(NEVER), True), ASKED, [])
    heard(studio(checker(ALWAYS), False), ASKED, [])
    one, other = (Image.open(path).tobytes() for path in pictures(tmp_path))
    assert one == other


def test_of_several_pictures_only_the_one_that_it_means(studio: Studio, tmp_path: Path) -> None:
    asked = dataclasses.replace(ASKED, count=3, guidance_scale=30.0)
    network = checker(NEVER)
    heard(studio(network, False), asked, [])
    with torch.no_grad():
        seen = [features(network, Image.open(path).convert("RGB")) for path in pictures(tmp_path)]
        network.concept_embeds.copy_(seen[1].expand_as(network.concept_embeds))
    nearest = max(float(torch.cosine_similarity(seen[1], seen[i])) for i in (0, 2))
    network.concept_embeds_weights.fill_((1 + nearest) / 2)
    for path in pictures(tmp_path):
        path.unlink()
    events = heard(studio(network, True), asked, [])
    assert [event.index for event in events if isinstance(event, ImageSaved)] == [0, 2]
    assert any(event.text.startswith("Picture 2 of 3: The picture was withheld") for event in events if isinstance(event, Notice))
    assert len(pictures(tmp_path)) == 2


def features(network: StableDiffusionSafetyChecker, image: Image.Image) -> torch.Tensor:
    pixels = extractor()(images=image, return_tensors="pt").pixel_values
    return network.visual_projection(network.vision_model(pixels)[1])


@pytest.mark.parametrize("kind", [CompareNegative, StudyNegative])
def test_the_negative_prompts_tab_withholds_too(kind: type[TextToImage], studio: Studio, tmp_path: Path) -> None:
    asked = kind(**{**dataclasses.asdict(ASKED), "negative_prompt": "rain, fog", "guidance_scale": 5.0})
    with pytest.raises(ImageWithheld):
        heard(studio(checker(ALWAYS), True), asked, [])
    assert pictures(tmp_path) == []


@pytest.mark.parametrize("form", ["safetensors", "bin of an older transformers"])
def test_its_weights_are_the_files_and_it_judges_as_diffusers_does(form: str, tmp_path: Path) -> None:
    network = checker(ALWAYS)
    closest = [closeness(network, image) for image in samples()]
    network.concept_embeds_weights.fill_(sorted(closest)[3])
    write(tmp_path / "careful", network)
    part = tmp_path / "careful" / "safety_checker"
    if form != "safetensors":
        (part / "model.safetensors").unlink()
        torch.save({older(name): tensor for name, tensor in network.state_dict().items()}, part / "pytorch_model.bin")
    entry = entry_for(tmp_path / "careful")
    ours: SafetyChecker = load_safety_checker(entry, ExecutionPlan())
    weights = ours.network.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in network.state_dict().items())
    verdicts = [judged(network, image) for image in samples()]
    assert [ours.objects_to(image) for image in samples()] == verdicts
    assert is_brought(entry) and set(verdicts) == {True, False}


def samples() -> list[Image.Image]:
    """Images that differ in one rectangle."""
    made = [Image.linear_gradient("L").convert("RGB").resize((32, 32)) for _ in range(6)]
    for image, colour in zip(made, ("black", "white", "red", "#20a040", "#8888ff", "#ffcc00"), strict=True):
        image.paste(colour, (4, 4, 20, 28))
    return made


def closeness(network: StableDiffusionSafetyChecker, image: Image.Image) -> float:
    """The cosine of an image and the concept that it comes closest to."""
    with torch.no_grad():
        return float(torch.cosine_similarity(features(network, image), network.concept_embeds).max())


def judged(network: StableDiffusionSafetyChecker, image: Image.Image) -> bool:
    """The verdict of diffusers' own class."""
    pixels = extractor()(images=image, return_tensors="pt").pixel_values
    _, (verdict,) = network(clip_input=pixels, images=torch.zeros(1, 3, 4, 4))
    return bool(verdict)


def older(name: str) -> str:
    """How transformers called it when Stable Diffusion 1 was published."""
    inner = name.removeprefix("vision_model.").removeprefix("vision_model.")
    return f"vision_model.vision_model.{inner}" if name.startswith("vision_model.") else name


def test_where_there_is_none_that_is_said(studio: Studio, tmp_path: Path) -> None:
    local = studio(checker(ALWAYS), True)
    for file in (tmp_path / "models" / "careful" / "safety_checker").glob("*.safetensors"):
        file.unlink()
    events = heard(local, ASKED, [])
    assert any("brings no safety checker" in event.text for event in events if isinstance(event, Notice))
    assert len(pictures(tmp_path)) == 1


def test_a_download_leaves_it_out_unless_it_is_wanted() -> None:
    names = ["model_index.json", "unet/config.json", "unet/model.safetensors", "safety_checker/model.safetensors"]
    assert "safety_checker/model.safetensors" not in choose_files(names)
    assert "safety_checker/model.safetensors" in choose_files(names, with_checker=True)
