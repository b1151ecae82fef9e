"""Files of all kinds that people bring, from the page to the picture and back: each is chosen, estimated, drawn, written into the
record, found in the history and recalled, which draws the same picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import gguf
import pytest
import torch
from playwright.sync_api import Browser, Page, expect
from safetensors.torch import save_file

from engine.checkpoints.library import entry
from engine.jobs import Jobs
from engine.records import metadata
from engine.requests import ResolvedGeneration
from engine.settings import Settings
from tests.engine.checkpoints import ggufs, tiny, tiny_sd3
from tests.engine.checkpoints.adapters.writers import LINEAR_AND_CONVOLUTION
from tests.engine.checkpoints.additions import TARGETS
from tests.ui.browser.conftest import PATIENCE, Studio, Visitor, show, unfold
from tests.ui.browser.test_real_checkpoints import choose, made, newest, pixels, write
from tests.ui.browser.tiny_configs import ENGINE, find_config, write_configs
from ui import messages
from ui.server.serve import serve

SIDE = "32"


@dataclasses.dataclass(frozen=True)
class Brought:
    """A file that is chosen on the page with ``choices`` (field -> label) and a LoRA; ``resolved``: what its record holds."""

    checkpoint: str
    resolved: Mapping[str, str | float]
    choices: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    lora: str = ""


FILES = {
    "Stable Diffusion 3.5": Brought("sd35", {"guidance": "slg", "scheduler": "Euler"}, {"guidance": messages.GUIDANCES["slg"]}),
    "LoHa": Brought("sd1", {"guidance": "cfg"}, lora="loha"),
    "v-prediction XL": Brought("noob", {"scheduler": "Euler", "guidance_rescale": 0.7}),
    "GGUF": Brought("quantised", {"guidance": "cfg"}),
}


def write_files(models: Path) -> None:
    """The file of each row."""
    tiny_sd3.pipeline("sd35_medium").save_pretrained(models / "sd35")
    sd1 = tiny.pipeline("sd1")
    sd1.save_pretrained(models / "sd1")
    ggufs.write(models / "quantised.gguf", tiny.in_original_layout("sd1", sd1), gguf.GGMLQuantizationType.Q8_0, "sd1")
    markers = {"v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}
    save_file({**tiny.in_original_layout("xl", tiny.pipeline("xl")), **markers}, models / "noob.safetensors")
    layer = sd1.unet.get_submodule(TARGETS["unet"])
    loha = LINEAR_AND_CONVOLUTION["LoHa"](layer, torch.Generator().manual_seed(1)).tensors
    prefix = f"lora_unet_{TARGETS['unet'].replace('.', '_')}"
    (models / "loras").mkdir()
    save_file({f"{prefix}.{name}": tensor for name, tensor in loha.items()}, models / "loras" / "loha.safetensors")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The page over the real engine and the files."""
    folder = tmp_path_factory.mktemp("brought")
    settings = Settings(
        models=folder / "models", data=folder / "data", outputs=folder / "outputs", device="cpu", precision="float32"
    )
    write_configs(settings, ("sd1", "xl"))
    write_files(settings.models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry, "bundled_config", find_config(settings.data))
        with Jobs(settings, ENGINE) as jobs, serve(settings, jobs, port=0) as served:
            yield Studio(served.url, settings, jobs)


@pytest.fixture(scope="module")
def page(studio: Studio, browser: Browser) -> Iterator[Page]:
    """One page for all files, with the settings open."""
    expect.set_options(timeout=3 * PATIENCE)
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(3 * PATIENCE)
    visitor = Visitor(studio, context)
    page = visitor.open()
    unfold(page, messages.SETTINGS)
    unfold(page, messages.ADDITIONS)
    choose(page, "text", "size", messages.OWN_SIZE)
    yield page
    context.close()
    visitor.check()
    expect.set_options(timeout=PATIENCE)


def read_resolved(path: Path) -> tuple[ResolvedGeneration, Mapping[str, str]]:
    record = metadata.read(path)
    assert record is not None and isinstance(record.resolved.request, ResolvedGeneration)
    return record.resolved.request, record.resolved.environment


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_a_brought_file_walks_the_whole_road(name: str, page: Page, studio: Studio) -> None:
    brought = FILES[name]
    prompt = f"a cat, {name}"
    fill(page, brought, prompt)
    asked = made(page, studio, messages.GENERATE)
    assert asked.checkpoint == brought.checkpoint
    drawn = newest(studio.settings)
    resolved, environment = read_resolved(drawn)
    assert {field: getattr(resolved, field) for field in brought.resolved} == brought.resolved
    assert not brought.lora or f"lora {brought.lora}" in environment
    recall(page, brought, prompt)
    made(page, studio, messages.GENERATE)
    again = newest(studio.settings)
    assert again != drawn and read_resolved(again) == (resolved, environment)
    assert pixels(again) == pixels(drawn)


def fill(page: Page, brought: Brought, prompt: str) -> None:
    """The form, by hand; the estimate answers it."""
    choose(page, "text", "checkpoint", brought.checkpoint)
    typed = {"prompt": prompt, "negative_prompt": "", "steps": "2", "seed": "7", "width": SIDE, "height": SIDE}
    for field, text in {**typed, "guidance_scale": "", "guidance_rescale": ""}.items():
        write(page, "text", field, text)
    for field, label in {"guidance": messages.GUIDANCES["cfg"], **brought.choices}.items():
        choose(page, "text", field, label)
    page.locator("#text-scheduler input").click()
    page.get_by_role("option", name="Best here").click()
    if brought.lora:
        choose_lora(page, brought.lora)
    expect(page.locator("#text-outlook")).to_contain_text("of memory, and")


def choose_lora(page: Page, lora: str) -> None:
    page.locator("#text-lora input").click()
    page.get_by_role("option", name=lora, exact=True).click()
    expect(page.locator("#text-prompt textarea")).to_have_value(f"a cat, LoHa <lora:{lora}:1>")


def recall(page: Page, brought: Brought, prompt: str) -> None:
    """The newest picture of the history is used again, over a form that says something else."""
    for field, text in {"prompt": "something else", "seed": "8", "steps": "1"}.items():
        write(page, "text", field, text)
    choose(page, "text", "guidance", messages.GUIDANCES["cfg"])
    show(page, "History")
    page.locator("#history-words").locator("textarea, input").fill(prompt)
    expect(page.locator(".thumb")).to_have_count(1)
    page.locator(".thumb").click()
    chosen = page.locator("#history-chosen")
    expect(chosen).to_contain_text(prompt)
    expect(chosen).to_contain_text(brought.checkpoint)
    chosen.get_by_role("button", name=messages.REUSE, exact=True).click()
    expect(page.locator("#text-prompt textarea")).to_have_value(prompt + (f" <lora:{brought.lora}:1>" if brought.lora else ""))
    expect(page.locator("#text-checkpoint input")).to_have_value(brought.checkpoint)
    for field, label in brought.choices.items():
        expect(page.locator(f"#text-{field} input")).to_have_value(label)
