"""Times of day, seasons and weather of outdoor scenes.

Each has a layer `under` the things (sun, clouds, autumn colours of grass) and one `over` the finished image (light, rain,
falling leaves).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from training.drawing import layers
from training.drawing.canvas import Generator

Layer = Callable[[Image.Image, Generator], Image.Image]
Light = tuple[float, float, float]
"""The direction of shadows as shares of the thing's height (right, down), and their darkness, 0 to 1."""
NOON: Light = (0.25, 0.05, 0.4)


@dataclass(frozen=True)
class Air:
    """`words[0]` is its name, the others are synonyms that can replace it; `phrases` follow the words of a scene.

    `under` is applied to the background before things are placed on it, so that they keep their colours; `over` to the finished
    image. `light` is set for times of day.
    """

    words: tuple[str, ...]
    phrases: tuple[str, ...]
    under: Layer
    over: Layer
    light: Light = NOON

    @property
    def name(self) -> str:
        return self.words[0]


TIMES: tuple[Air, ...] = (
    Air(("day", "noon", "daytime"), ("during the day", "at noon", "in daylight"), layers.keep, layers.keep),
    Air(
        ("morning", "dawn", "sunrise"),
        ("in the morning", "at dawn", "at sunrise", "in the early morning"),
        layers.keep,
        layers.apply_morning,
        (0.8, 0.08, 0.35),
    ),
    Air(
        ("sunset", "evening", "dusk"),
        ("at sunset", "in the evening", "at dusk"),
        layers.apply_low_sun,
        layers.apply_sunset,
        (-0.8, 0.08, 0.45),
    ),
    Air(
        ("night", "midnight", "moonlight"),
        ("at night", "in the night", "by moonlight", "under a starry sky"),
        layers.keep,
        layers.apply_night,
        (0.3, 0.06, 0.3),
    ),
)
SEASONS: tuple[Air, ...] = (
    Air(
        ("spring", "springtime"),
        ("in spring", "in springtime", "on a spring day"),
        layers.apply_fresh_greens,
        layers.apply_spring,
    ),
    Air(("summer", "summertime"), ("in summer", "on a summer day", "in summertime"), layers.apply_high_sun, layers.apply_summer),
    Air(
        ("autumn", "fall"),
        ("in autumn", "in the fall", "on an autumn day"),
        layers.apply_rusty_greens,
        layers.apply_autumn,
    ),
    Air(
        ("winter", "wintertime"),
        ("in winter", "on a winter day", "in wintertime"),
        layers.apply_lying_snow,
        layers.apply_winter,
    ),
)
WEATHERS: tuple[Air, ...] = (
    Air(
        ("rain", "rainy weather"),
        ("in the rain", "on a rainy day", "while it rains"),
        layers.apply_rain_clouds,
        layers.apply_rain,
    ),
    Air(
        ("snowfall", "snowing"),
        ("in snowfall", "on a snowy day", "while it snows"),
        layers.keep,
        layers.apply_snow,
    ),
    Air(
        ("fog", "mist"),
        ("in the fog", "in fog", "on a foggy day", "in the mist"),
        layers.keep,
        layers.apply_fog,
    ),
    Air(
        ("storm", "thunderstorm", "lightning"),
        ("in a storm", "in a thunderstorm", "with lightning"),
        layers.apply_storm_clouds,
        layers.apply_storm,
    ),
    Air(
        ("sunshine", "sunny weather"),
        ("in the sunshine", "on a sunny day", "in bright sunshine"),
        layers.apply_radiant_sun,
        layers.apply_sunshine,
    ),
    Air(("rainbow",), ("under a rainbow", "with a rainbow", "with a rainbow in the sky"), layers.apply_rainbow, layers.keep),
    Air(
        ("cloudy weather", "overcast sky"),
        ("on a cloudy day", "under a cloudy sky", "under gray clouds"),
        layers.apply_gray_clouds,
        layers.apply_cloudy,
    ),
)
AIR_BY_NAME: dict[str, Air] = {air.name: air for air in (*TIMES, *SEASONS, *WEATHERS)}


def find_light(time: str | None) -> Light:
    """The direction and darkness of shadows at a time of day, a name in TIMES; None is daytime."""
    return AIR_BY_NAME[time].light if time else NOON
