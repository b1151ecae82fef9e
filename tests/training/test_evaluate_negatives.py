"""The count and the ranking, over a starter of two steps' training."""

from __future__ import annotations

from pathlib import Path

import torch

from engine import Local, Settings
from training import evaluate_negatives
from training.backgrounds import BACKGROUND_BY_NAME
from training.captions import known_words
from training.classifier import Classifier
from training.export import export
from training.things import COLOURS, THING_NAMES


def test_both_figures_are_counted(tiny_run: Path, tmp_path: Path) -> None:
    export(tiny_run, tmp_path / "starter", "a test")
    torch.manual_seed(0)
    judge = Classifier().eval()
    with Local(Settings(data=tmp_path / "data", outputs=tmp_path / "outputs")) as easel:
        torch.set_num_threads(1)
        checkpoint = str(tmp_path / "starter")
        counts = evaluate_negatives.count_things(easel, judge, checkpoint, range(2), steps=2)
        idle = evaluate_negatives.IDLE_WORDS["words that name nothing"]
        places = evaluate_negatives.ranks(easel, checkpoint, idle, range(2), steps=2)
    assert len(counts) == 4 and all(0 <= count <= 2 for count in counts.values())
    assert len(places) == 2 and all(1 <= place <= 1 + len(idle) for place in places)


def test_the_words_are_ones_that_the_starter_knows() -> None:
    things = (evaluate_negatives.KEPT, evaluate_negatives.UNWANTED, *evaluate_negatives.IDLE_WORDS["things that are not there"])
    assert set(things) <= set(THING_NAMES)
    nothing = set(evaluate_negatives.IDLE_WORDS["words that name nothing"])
    assert nothing <= set(known_words()) and not nothing & {*THING_NAMES, *COLOURS, *BACKGROUND_BY_NAME}


def test_a_thing_is_named_when_it_is_more_likely_than_not(tmp_path: Path) -> None:
    from PIL import Image

    class Sure(Classifier):
        def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"things": torch.tensor([[1.0 if name in ("cat", "dog") else -1.0 for name in THING_NAMES]] * len(pictures))}

    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert evaluate_negatives.named(Sure(), [tmp_path / "a.png"]) == [frozenset({"cat", "dog"})]
