"""Each preprocessor makes a map of the picture's size; lines are white on black and as wide as the network knows them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engine.checkpoints.control.purposes import LINES
from engine.generate.control.maps import preprocess
from engine.generate.control.preprocessors import PREPROCESSORS, draw_lines, find_canny, suggest_preprocessor
from engine.requests import PREPROCESSORS as NAMES
from engine.requests import Control


def photo(width: int = 96, height: int = 64) -> Image.Image:
    image = Image.new("RGB", (width, height), "#d0e0f0")
    ImageDraw.Draw(image).ellipse((20, 10, 70, 55), fill="#803010", outline="black")
    return image


def layer(width: int, colour: str = "#204080") -> Image.Image:
    image = Image.new("RGBA", (512, 512), (0, 0, 0, 0))
    ImageDraw.Draw(image).line((60, 256, 450, 256), fill=colour, width=width)
    return image


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resolution", [0, 64])
def test_every_map_has_the_size_of_the_picture(name: str, resolution: int) -> None:
    made = preprocess(photo(), Control(model="x", preprocessor=name, resolution=resolution), "scribble")
    assert made.size == (96, 64) and name in PREPROCESSORS


@pytest.mark.parametrize("name", ["scribble", "canny", "soft_edges", "line_art"])
def test_found_lines_are_white_on_black_and_at_the_edge(name: str) -> None:
    image = photo(512, 384)
    made = np.asarray(preprocess(image, Control(model="x", preprocessor=name), "").convert("L"))
    assert made.mean() < 100 and made.max() > 150
    assert made[:5].max() < 60 and made[-5:].max() < 60


def test_canny_is_one_pixel_wide_and_says_nothing_of_a_flat_picture() -> None:
    image = Image.new("L", (64, 64), 0)
    image.paste(255, (32, 0, 64, 64))
    edges = np.asarray(find_canny(image.convert("RGB")).convert("L")) > 127
    assert set(edges[10:50].sum(axis=1)) == {1}
    assert not np.asarray(find_canny(Image.new("RGB", (16, 16), "red"))).any()


@pytest.mark.parametrize("purpose", LINES)
@pytest.mark.parametrize("drawn", [2, 8, 24])
def test_drawn_lines_get_the_width_that_the_network_knows(purpose: str, drawn: int) -> None:
    made = np.asarray(draw_lines(layer(drawn), purpose).convert("L"))
    least, most = LINES[purpose]
    width = (made[:, 256] > 127).sum()
    assert min(least, drawn) - 1.5 <= width <= max(most, min(drawn, most)) + 2.5, width


def test_ink_is_told_by_the_layer_or_by_the_colour_of_the_paper() -> None:
    on_layer = np.asarray(draw_lines(layer(8), ""))
    on_paper = Image.new("RGB", (512, 512), "#ffe8c0")
    on_paper.paste(layer(8), mask=layer(8))
    assert (on_layer == np.asarray(draw_lines(on_paper, ""))).mean() > 0.99
    assert not np.asarray(draw_lines(Image.new("RGBA", (64, 64), (0, 0, 0, 0)), "scribble")).any()


def test_a_network_is_offered_what_it_reads() -> None:
    assert suggest_preprocessor("canny") == "canny" and suggest_preprocessor("canny", is_drawing=True) == "lines"
    assert suggest_preprocessor("pose") == "none" and suggest_preprocessor("") == "none"
