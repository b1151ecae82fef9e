"""Cards of LoRAs and embeddings: what they show, put into the prompt and serve; a folder of 300."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file
from starlette.applications import Starlette
from starlette.testclient import TestClient

from engine.settings import Settings
from tests.engine.checkpoints import additions
from ui.common.checkpoint_options import CheckpointOptions
from ui.server.words_routes import create_routes
from ui.words.model_cards import render_cards


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("cards")
    models = folder / "models"
    (models / "Lora").mkdir(parents=True)
    for name in ("ink", "broken", "plain", "h<b>ostile"):
        save_file(additions.kohya(1), models / "Lora" / f"{name}.safetensors")
    Image.new("RGB", (600, 400), "red").save(models / "Lora" / "ink.preview.png")
    (models / "Lora" / "broken.png").write_bytes(b"<svg onload=alert(1)>")
    own = {"activation text": "inkstyle", "preferred weight": 0.7, "notes": "<script>alert(1)</script>1 < 2"}
    (models / "Lora" / "ink.json").write_text(json.dumps(own), "utf-8")
    return Settings(data=folder / "data", models=models, outputs=folder / "outputs")


@pytest.fixture(scope="module")
def client(settings: Settings) -> TestClient:
    return TestClient(Starlette(routes=create_routes(settings, CheckpointOptions(settings))))


def test_a_card_puts_its_tag_with_the_preferred_weight_into_the_prompt(client: TestClient) -> None:
    shown = html.unescape(client.get("/words/cards").text)
    assert 'data-insert="<lora:ink:0.7>, inkstyle" data-toggle="<lora:ink:"' in shown
    assert 'data-insert="<lora:plain:1>"' in shown


def test_names_and_notes_are_text(client: TestClient) -> None:
    shown = client.get("/words/cards").text
    assert "<script" not in shown and "<b>" not in shown and "1 &lt; 2" in shown


def test_previews_are_small_images_and_a_broken_one_is_a_sentence(client: TestClient) -> None:
    answer = client.get("/words/preview", params={"kind": "lora", "name": "ink"})
    assert answer.headers["content-type"] == "image/webp" and answer.content[:4] == b"RIFF"
    for name in ("broken", "plain", "no such", "../ink"):
        answer = client.get("/words/preview", params={"kind": "lora", "name": name})
        assert answer.status_code == 404 and "cannot be read" in answer.text
    assert client.get("/words/preview", params={"kind": "checkpoint", "name": "ink"}).status_code == 404
    assert "The preview of “broken” cannot be read." in client.get("/words/cards").text


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", models=tmp_path / "models", outputs=tmp_path / "outputs")
    assert "no LoRA and no embedding yet" in render_cards(CheckpointOptions(settings), "")


def test_300_loras_are_shown_and_read_once(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    save_file(additions.kohya(1), tmp_path / "models" / "0.safetensors")
    content = (tmp_path / "models" / "0.safetensors").read_bytes()
    for number in range(300):
        (tmp_path / "models" / f"{number}.safetensors").write_bytes(content)
        (tmp_path / "models" / f"{number}.json").write_text(json.dumps({"notes": f"note {number}"}), "utf-8")
    known = CheckpointOptions(Settings(data=tmp_path / "data", models=tmp_path / "models", outputs=tmp_path / "outputs"))
    shown = render_cards(known, "")
    assert shown.count("<article") == 300 and "note 299" in shown and len(shown) < 600_000
