from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from training import evaluate_sketches
from training.captions import list_words
from training.drawing.things import THING_NAMES
from training.export import export
from training.judge import Judge


def test_a_drawing_is_flat_patches_and_its_box_is_found_again() -> None:
    sketch, again = (evaluate_sketches.draw_sketches(3)[2] for _ in range(2))
    assert evaluate_sketches.compute_overlap(evaluate_sketches.find_thing_box(sketch.image), sketch.box) > 0.7
    assert len(sketch.image.getcolors(1_000_000)) <= 4 and sketch.thing in sketch.words
    assert sketch.image.tobytes() == again.image.tobytes()


def test_the_drawings_are_spread_over_all_things_and_each_can_be_seen() -> None:
    drawn, known = evaluate_sketches.draw_sketches(), set(list_words())
    places = [THING_NAMES.index(sketch.thing) for sketch in drawn]
    assert 70 <= len(drawn) <= 90 and set(np.diff(places)) <= {4, 5}
    assert not {word for sketch in drawn for word in sketch.words.split()} - known
    assert (
        min(evaluate_sketches.compute_overlap(evaluate_sketches.find_thing_box(sketch.image), sketch.box) for sketch in drawn)
        > 0.7
    )


def test_layouts_are_compared_by_their_coarse_colours() -> None:
    picture = evaluate_sketches.draw_sketches(1)[0].image
    noise = np.random.default_rng(1).integers(0, 256, (*picture.size, 3), np.uint8)
    rough = Image.blend(picture, Image.fromarray(noise), 0.2)
    assert evaluate_sketches.compute_correlation(picture, rough) > 0.95
    assert evaluate_sketches.compute_correlation(picture, picture.rotate(90)) < evaluate_sketches.compute_correlation(
        picture, rough
    )
    assert evaluate_sketches.compute_overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert evaluate_sketches.compute_overlap((0, 0, 10, 10), (10, 10, 20, 20)) == 0


def test_an_untrained_starter_is_measured_at_every_strength(tiny_run: Path, tmp_path: Path) -> None:
    export(tiny_run, tmp_path / "starter", "two steps, for a test")
    drawn = evaluate_sketches.draw_sketches(2)
    pictures = evaluate_sketches.paint(tmp_path / "starter", drawn, (0.1, 1.0))
    low, high = evaluate_sketches.measure_rows(Judge().eval(), drawn, pictures)
    assert [len(made) for made in pictures] == [2, 2] and 0 <= low.recognised <= 1
    assert low.correlation != high.correlation
