"""The backgrounds of scenes, one row each, by daylight; `air` adds times of day, seasons and weather."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import Image

from training.drawing import gardens, heights, interiors, landscapes, places, wilds, woods
from training.drawing.canvas import Canvas, Generator, create_ramp
from training.drawing.palette import RGB

Painter = Callable[[Canvas], None]


@dataclass(frozen=True)
class Background:
    """`phrases`: how a caption places a thing there; `words[0]` is its name, the others are synonyms that can replace it.

    `back` paints what is behind the horizon, or the whole image if there is no `front`; `front` paints the ground.
    `horizon`: where the ground begins, as a share of the height from the top; 1.0 if things float.
    """

    words: tuple[str, ...]
    phrases: tuple[str, ...]
    back: Painter | None  # None: a plain colour, named in the caption
    front: Painter | None = None
    horizon: float = 0.6
    ground: str = "land"  # land, water, floor or none
    outdoors: bool = True
    far: bool = False  # can be the far background behind another
    near: bool = False  # can have another background behind it

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def paint(self) -> Callable[[int, Generator], Image.Image] | None:
        """Paints the whole background at a side in pixels; None for the plain one."""
        return partial(_paint, self.back, self.front) if self.back else None


def create_gradient(side: int, top: RGB, bottom: RGB) -> Image.Image:
    """A vertical gradient from `top` to `bottom`."""
    return create_ramp((side, side), (top, bottom))


def _paint(back: Painter, front: Painter | None, side: int, rng: Generator) -> Image.Image:
    canvas = Canvas(side, rng)
    back(canvas)
    if front:
        front(canvas)
    return canvas.finish()


BACKGROUNDS: tuple[Background, ...] = (
    Background(
        ("plain",),
        (),
        None,
        horizon=0.7,
        ground="floor",
        outdoors=False,
    ),
    Background(
        ("sky", "blue sky"), ("in the sky", "in a blue sky", "up in the sky"), landscapes.paint_sky, horizon=1.0, ground="none"
    ),
    Background(
        ("beach", "seaside", "seashore"),
        ("on the beach", "at the beach", "at the seaside", "on the sand"),
        landscapes.paint_beach_back,
        landscapes.paint_beach_front,
        0.62,
        near=True,
    ),
    Background(
        ("sea", "ocean", "underwater"),
        ("in the sea", "in the ocean", "under water", "under the sea"),
        landscapes.paint_sea,
        horizon=1.0,
        ground="none",
    ),
    Background(
        ("lake", "lakeside"),
        ("on a lake", "at the lake", "by the lake"),
        heights.paint_lake_back,
        heights.paint_lake_front,
        0.52,
        "water",
        near=True,
    ),
    Background(
        ("river", "stream"),
        ("by a river", "at the river", "by the stream"),
        landscapes.paint_river_back,
        landscapes.paint_river_front,
        0.5,
        near=True,
    ),
    Background(
        ("snow field", "snowy landscape", "arctic"),
        ("in the snow", "in a snow field", "in a snowy landscape", "on the ice"),
        landscapes.paint_snow_back,
        landscapes.paint_snow_front,
        0.58,
        near=True,
    ),
    Background(
        ("meadow", "grass", "field"),
        ("in a meadow", "on the grass", "in a field"),
        landscapes.paint_meadow_back,
        landscapes.paint_meadow_front,
        0.56,
        near=True,
    ),
    Background(
        ("rural landscape", "countryside", "farmland"),
        ("in a rural landscape", "in the countryside", "on farmland", "in the country"),
        landscapes.paint_rural_back,
        landscapes.paint_rural_front,
        0.46,
        near=True,
    ),
    Background(
        ("desert", "dunes"),
        ("in the desert", "in a desert", "among the dunes"),
        heights.paint_desert_back,
        heights.paint_desert_front,
        0.58,
        near=True,
    ),
    Background(
        ("city", "town", "street"),
        ("in the city", "in a town", "on the street"),
        places.paint_city_back,
        places.paint_city_front,
        0.74,
        far=True,
    ),
    Background(
        ("metropolis", "modern metropolis", "skyline", "modern city", "skyscrapers"),
        ("in a modern metropolis", "in front of a skyline", "in a modern city", "in a metropolis", "among skyscrapers"),
        places.paint_metropolis_back,
        places.paint_metropolis_front,
        0.75,
        far=True,
    ),
    Background(
        ("village",), ("in a village", "in the village"), places.paint_village_back, places.paint_village_front, 0.7, far=True
    ),
    Background(
        ("forest", "woods"), ("in the forest", "in the woods"), woods.paint_forest_back, woods.paint_forest_front, 0.71, far=True
    ),
    Background(("jungle", "rainforest"), ("in the jungle", "in a jungle", "in the rainforest"), woods.paint_jungle, horizon=0.75),
    Background(
        ("mountains", "mountain landscape", "alps"),
        ("in the mountains", "in front of the mountains", "in the alps"),
        heights.paint_mountains_back,
        heights.paint_mountains_front,
        0.73,
        far=True,
    ),
    Background(
        ("volcano", "lava"),
        ("in front of a volcano", "near a volcano", "at the volcano"),
        heights.paint_volcano_back,
        heights.paint_volcano_front,
        0.74,
        far=True,
    ),
    Background(
        ("waterfall",), ("at a waterfall", "in front of a waterfall", "by the waterfall"), wilds.paint_waterfall, horizon=0.84
    ),
    Background(
        ("island", "tropical island"),
        ("in front of an island", "near a tropical island", "at an island"),
        wilds.paint_island_back,
        wilds.paint_island_front,
        0.6,
        "water",
        near=True,
    ),
    Background(
        ("space", "outer space", "galaxy"),
        ("in space", "in outer space", "among the stars"),
        wilds.paint_space,
        horizon=1.0,
        ground="none",
    ),
    Background(
        ("moon surface", "lunar surface"),
        ("on the moon", "on the surface of the moon", "on the lunar surface"),
        wilds.paint_moon_back,
        wilds.paint_moon_front,
        0.6,
        near=True,
    ),
    Background(
        ("room", "living room", "indoors"),
        ("in a room", "in the living room", "indoors", "at home"),
        interiors.paint_room,
        horizon=0.72,
        ground="floor",
        outdoors=False,
    ),
    Background(
        ("kitchen",), ("in the kitchen", "in a kitchen"), interiors.paint_kitchen, horizon=0.78, ground="floor", outdoors=False
    ),
    Background(
        ("library", "bookshelves"),
        ("in a library", "in the library", "in front of bookshelves"),
        interiors.paint_library,
        horizon=0.78,
        ground="floor",
        outdoors=False,
    ),
    Background(
        ("stage", "theater", "theatre"),
        ("on a stage", "on the stage", "in the spotlight", "in a theater"),
        interiors.paint_stage,
        horizon=0.78,
        ground="floor",
        outdoors=False,
    ),
    Background(("cave", "cavern"), ("in a cave", "in a cavern"), wilds.paint_cave, horizon=0.7, outdoors=False),
    Background(
        ("garden", "flower garden"),
        ("in the garden", "in a garden", "among flower beds"),
        gardens.paint_garden_back,
        gardens.paint_garden_front,
        0.58,
        near=True,
    ),
    Background(("park",), ("in the park", "in a park"), gardens.paint_park_back, gardens.paint_park_front, 0.54, near=True),
    Background(
        ("farm", "farmyard", "barnyard"),
        ("on a farm", "on the farm", "in front of a barn"),
        gardens.paint_farm_back,
        gardens.paint_farm_front,
        0.68,
        far=True,
    ),
    Background(
        ("castle hill", "castle on a hill"),
        ("in front of a castle on a hill", "below a castle", "under the castle hill"),
        places.paint_castle_back,
        places.paint_castle_front,
        0.72,
        far=True,
    ),
    Background(
        ("road", "highway"),
        ("on the road", "on a road", "on the highway"),
        places.paint_road_back,
        places.paint_road_front,
        0.5,
        near=True,
    ),
    Background(
        ("harbor", "harbour", "port"),
        ("in the harbor", "at the harbour", "in a port"),
        places.paint_harbor_back,
        places.paint_harbor_front,
        0.66,
        "water",
    ),
    Background(("swamp", "marsh"), ("in a swamp", "in the swamp", "in the marsh"), wilds.paint_swamp, horizon=0.84),
)
BACKGROUND_NAMES: tuple[str, ...] = tuple(background.name for background in BACKGROUNDS)
BACKGROUND_BY_NAME: dict[str, Background] = {background.name: background for background in BACKGROUNDS}


def paint_two_planes(near: str, far: str, side: int, rng: Generator) -> Image.Image:
    """A background with another, small and pale, at its horizon. `near` must be a near one and `far` a far one."""
    front, behind = BACKGROUND_BY_NAME[near], BACKGROUND_BY_NAME[far]
    assert front.front and behind.back and front.near and behind.far
    far_rng, near_rng = rng.spawn(2)  # so that the ground does not depend on what is behind it
    distant = Canvas(side, far_rng)
    behind.back(distant)
    size, base, line = distant.size, round(behind.horizon * 2 * side), round((front.horizon + 0.02) * 2 * side)
    lifted = distant.image.crop((0, 0, size, base)).resize((size, line), Image.Resampling.BILINEAR)
    distant.image.paste(lifted)
    distant.haze(front.horizon * 0.3, front.horizon + 0.02, (226, 236, 246), 0.05, 0.32)
    ground = Canvas(side, near_rng, distant.image)
    front.front(ground)
    return ground.finish()
