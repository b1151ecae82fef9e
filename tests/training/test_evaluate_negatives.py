"""The count and the ranking, over a starter of two steps' training."""

from __future__ import annotations

from pathlib import Path

import torch

from engine import Local, Settings
from training import evaluate_negatives
from training.captions import list_words
from training.drawing.air import AIR_BY_NAME
from training.drawing.backgrounds import BACKGROUNDS
from training.drawing.palette import COLOURS
from training.drawing.styles import STYLES
from training.drawing.things import THING_NAMES, THINGS
from training.export import export
from training.judge import CELLS, Judge


class SeesADog(Judge):
    """One dog in the middle of every image."""

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        where = torch.full((len(pictures), len(THING_NAMES) + 1, CELLS, CELLS), -9.0)
        where[:, -1] = -1.0
        where[:, THING_NAMES.index("dog"), 4, 4] = -0.5
        return {"where": where}


def test_both_figures_are_counted(tiny_run: Path, tmp_path: Path) -> None:
    export(tiny_run, tmp_path / "starter", "a test")
    judge = SeesADog().eval()
    with Local(Settings(data=tmp_path / "data", outputs=tmp_path / "outputs")) as easel:
        torch.set_num_threads(1)
        checkpoint = str(tmp_path / "starter")
        counts = evaluate_negatives.count_things(easel, judge, checkpoint, range(2), steps=2)
        idle = evaluate_negatives.IDLE_WORDS["words that name nothing"]
        places = evaluate_negatives.rank_unwanted(easel, checkpoint, idle, range(2), steps=2)
    assert [count for row, count in counts.items() if row.startswith("dog")] == [2, 2]
    assert [count for row, count in counts.items() if row.startswith("cat")] == [0, 0]
    assert len(places) == 2 and all(1 <= place <= 1 + len(idle) for place in places)


def test_the_words_are_ones_that_the_starter_knows() -> None:
    things = (evaluate_negatives.KEPT, evaluate_negatives.UNWANTED, *evaluate_negatives.IDLE_WORDS["things that are not there"])
    assert set(things) <= set(THING_NAMES)
    nothing = set(evaluate_negatives.IDLE_WORDS["words that name nothing"])
    assert nothing <= set(list_words())
    named = [text for row in (*THINGS, *BACKGROUNDS, *AIR_BY_NAME.values(), *STYLES) for text in row.words]
    named += [text for row in (*BACKGROUNDS, *AIR_BY_NAME.values(), *STYLES) for text in row.phrases]
    assert not nothing & {*COLOURS, *" ".join(named).split()}
