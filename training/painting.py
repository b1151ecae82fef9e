"""Paints a scene: background, shadows, things, weather and light, style."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.drawing.air import AIR_BY_NAME, find_light
from training.drawing.backgrounds import BACKGROUND_BY_NAME, create_gradient, paint_two_planes
from training.drawing.canvas import shade
from training.drawing.palette import COLOURS
from training.drawing.styles import STYLE_BY_NAME
from training.drawing.things import draw_thing
from training.layouts import PlacedThing
from training.scenes import NATIVE_SIZE, Scene

SHADOW = 96
"""The darkness of a shadow in full light, 0..255."""


def _paint_background(scene: Scene, side: int, rng: np.random.Generator) -> Image.Image:
    if scene.far:
        return paint_two_planes(scene.background, scene.far, side, rng)
    paint = BACKGROUND_BY_NAME[scene.background].paint
    if paint is not None:
        return paint(side, rng)
    rgb = COLOURS[scene.colour or "white"]
    return create_gradient(side, shade(rgb, 1.04), shade(rgb, 0.92))


@lru_cache(maxsize=6_000)
def _scale_sprite(name: str, colour: str | None, pixels: int) -> Image.Image:
    tile = draw_thing(name, colour)
    factor = pixels / max(tile.size)
    size = max(1, round(tile.width * factor)), max(1, round(tile.height * factor))
    return tile.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


@lru_cache(maxsize=256)
def _draw_shadow(width: int, strength: int) -> Image.Image:
    """A soft dark ellipse, four times as wide as high."""
    high = max(4, width // 4)
    mask = Image.new("L", (width + high, 2 * high))
    ImageDraw.Draw(mask).ellipse((high // 2, high // 2, width + high // 2, 3 * high // 2), fill=strength)
    return mask.filter(ImageFilter.BoxBlur(high / 5))


def _lay_shadow(image: Image.Image, thing: PlacedThing, side: int, sun: tuple[float, float, float]) -> None:
    across, along, strength = sun
    width = max(8, round(thing.width * side * 0.9) // 4 * 4)
    mask = _draw_shadow(width, round(SHADOW * strength))
    foot = (thing.y + thing.height / 2) * side
    corner = round(thing.x * side + across * width * 0.25 - mask.width / 2), round(foot - mask.height * (0.55 - 0.2 * along))
    image.paste((16, 18, 32), corner, mask)


def _lay(image: Image.Image, thing: PlacedThing, side: int) -> None:
    tile = _scale_sprite(thing.name, thing.colour, max(4, round(thing.size * side / 2) * 2))
    if thing.pose == "flying":
        wings = _scale_sprite("wings", None, max(4, round(thing.size * side * 0.75) * 2))
        image.paste(wings, (round(thing.x * side - wings.width / 2), round(thing.y * side - wings.height * 0.6)), wings)
    image.paste(tile, (round(thing.x * side - tile.width / 2), round(thing.y * side - tile.height / 2)), tile)


def render(scene: Scene, side: int = NATIVE_SIZE) -> np.ndarray:
    """The scene as uint8 RGB, (side, side, 3); deterministic."""
    rng = np.random.default_rng([scene.seed, 1])
    image = _paint_background(scene, side, rng)
    around = [AIR_BY_NAME[name] for name in (scene.season, scene.weather, scene.time) if name]
    for air in around:
        image = air.under(image, rng)
    sun = find_light(scene.time)
    for thing in scene.things:
        if thing.stands:
            _lay_shadow(image, thing, side, sun)
        _lay(image, thing, side)
    for air in around:
        image = air.over(image, rng)
    return np.asarray(STYLE_BY_NAME[scene.style].apply(image, rng))


def create_thing_mask(scene: Scene, side: int) -> np.ndarray:
    """float32 (side, side): 1 inside the box of a thing, 0 elsewhere. Weights the loss."""
    mask = np.zeros((side, side), np.float32)
    for thing in scene.things:
        left, right = (int(np.clip(round((thing.x + d * thing.width) * side), 0, side)) for d in (-0.5, 0.5))
        top, low = (int(np.clip(round((thing.y + d * thing.height) * side), 0, side)) for d in (-0.5, 0.5))
        mask[top : max(low, top + 1), left : max(right, left + 1)] = 1.0
    return mask
