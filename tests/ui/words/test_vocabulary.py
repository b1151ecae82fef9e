"""What is suggested for what is being typed, and over HTTP."""

from __future__ import annotations

import pytest
from safetensors.torch import save_file
from starlette.applications import Starlette
from starlette.testclient import TestClient

from engine.settings import HOUSE, Settings
from tests.engine.checkpoints import additions
from ui.common.checkpoint_options import CheckpointOptions
from ui.server.words_routes import create_routes
from ui.words.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("words")
    models = folder / "models"
    models.mkdir()
    (models / "starter").symlink_to(HOUSE / "models" / "starter")
    for name in ("Lora/ink drawing", "Lora/thinking"):
        (models / name).parent.mkdir(exist_ok=True)
        save_file(additions.kohya(1), models / f"{name}.safetensors", {"ss_base_model_version": "sdxl_base_v1-0"})
    (models / "wildcards" / "colors").mkdir(parents=True)
    (models / "wildcards" / "colors" / "warm.txt").write_text("red\norange\n", "utf-8")
    (models / "tags").mkdir()
    (models / "tags" / "tags.csv").write_text('long_hair,0,2898315,"longhair"\nlong_(x),0,5,\n', "utf-8")
    (models / "tags" / "broken.csv").write_bytes(b"\0")
    return Settings(data=folder / "data", models=models, outputs=folder / "outputs")


@pytest.fixture(scope="module")
def vocabulary(settings: Settings) -> Vocabulary:
    return Vocabulary(settings, CheckpointOptions(settings))


def test_loras_by_any_part_of_their_name(vocabulary: Vocabulary) -> None:
    assert [(each.label, each.insert) for each in vocabulary.complete("lora", "INK", "starter").suggestions] == [
        ("ink drawing", "<lora:ink drawing:1>"), ("thinking", "<lora:thinking:1>"),
    ]  # fmt: skip
    assert len(vocabulary.complete("lora", "", "starter").suggestions) == 2


def test_a_lora_for_another_family_says_so(vocabulary: Vocabulary) -> None:
    [found] = vocabulary.complete("lora", "thinking", "starter").suggestions
    assert found.note.startswith("made for ")


def test_wildcards(vocabulary: Vocabulary) -> None:
    [found] = vocabulary.complete("wildcard", "wa", "starter").suggestions
    assert found.insert == "__colors/warm__" and found.replaces == 2


def test_the_starters_words_while_it_is_chosen(vocabulary: Vocabulary) -> None:
    found = vocabulary.complete("word", "a peng", "starter").suggestions
    assert found[0].insert == "penguin" and found[0].replaces == 4
    assert "penguins" in [each.insert for each in found]


def test_tags_of_several_words_with_the_broken_list_named(vocabulary: Vocabulary) -> None:
    found = vocabulary.complete("word", "long h", "starter")
    assert [(each.insert, each.replaces) for each in found.suggestions] == [("long hair", 6)]
    assert len(found.troubles) == 1 and "broken.csv" in found.troubles[0]
    assert vocabulary.complete("word", "long (", "starter").suggestions[0].insert == r"long \(x\)"


@pytest.mark.parametrize("query", ["", "x", " ", "\n", "\0", "\ud800", "(" * 300, "日"])
@pytest.mark.parametrize("kind", ["lora", "embedding", "wildcard", "word", "other", ""])
def test_whatever_is_typed_is_answered(vocabulary: Vocabulary, kind: str, query: str) -> None:
    vocabulary.complete(kind, query, "no such checkpoint")


def test_over_http(settings: Settings) -> None:
    client = TestClient(Starlette(routes=create_routes(settings, CheckpointOptions(settings))))
    answer = client.get("/words", params={"kind": "word", "query": "peng", "checkpoint": "starter"}).json()
    assert answer["suggestions"][0]["insert"] == "penguin"
    assert client.get("/words").json()["suggestions"] == []
    chips = client.get("/words/chips", params={"checkpoint": "starter"}).text
    assert chips.count("data-insert") > 391 and 'data-insert="penguin"' in chips
