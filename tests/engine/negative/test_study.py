from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from engine.errors import RequestError
from engine.negative import study
from engine.negative.effectiveness import explain_doubt, explain_no_effect
from engine.requests import StudyNegative

ASKED = StudyNegative(prompt="a cat", negative_prompt="dog, (ugly:1.2), haze", max_terms=3)


def pictures(folder: Path, *levels: int) -> dict[int, Path]:
    """Grey images by number."""
    made = {number: folder / f"{number}-{len(levels)}.png" for number in range(len(levels))}
    for number, level in enumerate(levels):
        Image.new("RGB", (8, 8), (level,) * 3).save(made[number])
    return made


def test_the_pictures_of_a_study() -> None:
    assert study.list_silences(ASKED) == ((), (), ((0, 3),), ((6, 10),), ((17, 21),))
    assert len(study.list_silences(StudyNegative(negative_prompt="a, b, c, d", max_terms=2))) == 4


@pytest.mark.parametrize("negative", ["", " , ,", "()", "BREAK"])
def test_without_words_there_is_no_study(negative: str) -> None:
    with pytest.raises(RequestError, match="no words to try"):
        study.list_silences(StudyNegative(negative_prompt=negative))


def test_terms_are_ordered_and_those_under_the_floor_are_dead(tmp_path: Path) -> None:
    found = study.summarize(ASKED, pictures(tmp_path, 100, 105, 103, 140, 110))
    assert [finding.term.text for finding in found.found] == ["ugly", "haze", "dog"]
    assert found.floor == found.threshold == pytest.approx(5 / 255)
    assert [finding.term.text for finding in found.dead] == ["dog"]
    assert found.remaining == "(ugly:1.2), haze" and found.slim is None


def test_where_nothing_wobbles_what_the_eye_cannot_see_is_dead_too(tmp_path: Path) -> None:
    found = study.summarize(ASKED, pictures(tmp_path, 100, 100, 101, 100, 102, 101))
    assert found.floor == 0 and [finding.term.text for finding in found.dead] == ["dog", "ugly"]
    assert found.remaining == "haze" and found.slim_change == pytest.approx(1 / 255)


def test_a_study_in_the_middle_tells_what_is_known(tmp_path: Path) -> None:
    assert study.summarize(ASKED, {}).found == ()
    some = study.summarize(ASKED, pictures(tmp_path, 100, 100, 120))
    assert [finding.term.text for finding in some.found] == ["dog"] and some.dead == ()


def test_terms_beyond_the_limit_stay_in_the_prompt(tmp_path: Path) -> None:
    asked = StudyNegative(negative_prompt="a, b, c", max_terms=1)
    found = study.summarize(asked, pictures(tmp_path, 100, 100, 100))
    assert found.untried == 2 and found.remaining == "b, c"


@pytest.mark.parametrize(
    ("scale", "free", "distilled", "said"),
    [(7.5, False, False, ""), (1.0, False, False, "CFG scale"), (0.0, False, False, "CFG scale"), (1.0, True, False, "few steps"),
     (8.0, True, True, "LCM"), (1.0, True, True, "LCM")],
)  # fmt: skip
def test_when_a_negative_prompt_cannot_work(scale: float, free: bool, distilled: bool, said: str) -> None:
    reason = explain_no_effect(scale, guidance_free=free, distilled=distilled)
    assert bool(reason) == bool(said) and said in reason
    assert reason in explain_doubt(scale, guidance_free=free, distilled=distilled)


def test_a_turbo_checkpoint_with_guidance_is_doubted_and_not_refused() -> None:
    assert explain_no_effect(5.0, guidance_free=True, distilled=False) == ""
    assert "harsh" in explain_doubt(5.0, guidance_free=True, distilled=False)
