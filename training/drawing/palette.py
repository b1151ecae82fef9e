"""The colours that a caption can name."""

from __future__ import annotations

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "red": (222, 40, 40),
    "orange": (247, 135, 25),
    "yellow": (250, 215, 50),
    "green": (50, 165, 70),
    "turquoise": (45, 200, 190),
    "blue": (45, 95, 225),
    "purple": (140, 60, 190),
    "pink": (250, 130, 185),
    "brown": (130, 85, 50),
    "black": (42, 42, 48),
    "white": (245, 245, 245),
    "gray": (140, 142, 148),
}
