"""Times of day, seasons and weather of an outdoor place.

Each has a layer that goes `under` things (sun, clouds, grass turned to rust) and one that goes `over` the finished image
(light, rain, falling leaves).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from training.drawing import layers
from training.drawing.canvas import Generator

Layer = Callable[[Image.Image, Generator], Image.Image]
Light = tuple[float, float, float]
"""Where a shadow falls, in shares of the thing's height: right, down; and how dark it is."""
NOON: Light = (0.25, 0.05, 0.4)


@dataclass(frozen=True)
class Air:
    """`words[0]` is its name, the others are synonyms that stand alone; `phrases` follow a scene's words.

    `under` goes over the background before things are put there, `over` over the finished image: things keep their colours.
    `light` is that of a time of day.
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
        layers.morning,
        (0.8, 0.08, 0.35),
    ),
    Air(
        ("sunset", "evening", "dusk"),
        ("at sunset", "in the evening", "at dusk"),
        layers.low_sun,
        layers.sunset,
        (-0.8, 0.08, 0.45),
    ),
    Air(
        ("night", "midnight", "moonlight"),
        ("at night", "in the night", "by moonlight", "under a starry sky"),
        layers.keep,
        layers.night,
        (0.3, 0.06, 0.3),
    ),
)
SEASONS: tuple[Air, ...] = (
    Air(("spring", "springtime"), ("in spring", "in springtime", "on a spring day"), layers.fresh_greens, layers.spring),
    Air(("summer", "summertime"), ("in summer", "on a summer day", "in summertime"), layers.high_sun, layers.summer),
    Air(
        ("autumn", "fall"),
        ("in autumn", "in the fall", "on an autumn day"),
        layers.rusty_greens,
        layers.autumn,
    ),
    Air(
        ("winter", "wintertime"),
        ("in winter", "on a winter day", "in wintertime"),
        layers.snowed_in,
        layers.winter,
    ),
)
WEATHERS: tuple[Air, ...] = (
    Air(
        ("rain", "rainy weather"),
        ("in the rain", "on a rainy day", "while it rains"),
        layers.rain_clouds,
        layers.rain,
    ),
    Air(
        ("snowfall", "snowing"),
        ("in snowfall", "on a snowy day", "while it snows"),
        layers.keep,
        layers.snow,
    ),
    Air(
        ("fog", "mist"),
        ("in the fog", "in fog", "on a foggy day", "in the mist"),
        layers.keep,
        layers.fog,
    ),
    Air(
        ("storm", "thunderstorm", "lightning"),
        ("in a storm", "in a thunderstorm", "with lightning"),
        layers.storm_clouds,
        layers.storm,
    ),
    Air(
        ("sunshine", "sunny weather"),
        ("in the sunshine", "on a sunny day", "in bright sunshine"),
        layers.radiant_sun,
        layers.sunshine,
    ),
    Air(("rainbow",), ("under a rainbow", "with a rainbow", "with a rainbow in the sky"), layers.rainbow, layers.keep),
    Air(
        ("cloudy weather", "overcast sky"),
        ("on a cloudy day", "under a cloudy sky", "under gray clouds"),
        layers.gray_clouds,
        layers.cloudy,
    ),
)
AIR_BY_NAME: dict[str, Air] = {air.name: air for air in (*TIMES, *SEASONS, *WEATHERS)}


def light(time: str | None) -> Light:
    """Where shadows fall at this time (a name in TIMES, or None: by day)."""
    return AIR_BY_NAME[time].light if time else NOON
