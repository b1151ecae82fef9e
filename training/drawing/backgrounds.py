"""The backgrounds a scene can have: one row each. Daylight; times, seasons and weather are put over them by `air`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import Image

from training.drawing import gardens, heights, interiors, landscapes, places, wilds, woods
from training.drawing.canvas import Canvas, Generator, ramp
from training.drawing.palette import RGB

Painter = Callable[[Canvas], None]


@dataclass(frozen=True)
class Background:
    """`phrases`: how a caption puts a thing there; `words[0]` is its name, the others are synonyms that stand alone.

    `back` paints what lies behind the horizon (or the whole image where there is no `front`), `front` what lies before it.
    `horizon`: where the ground begins, as a share of the height from the top; 1.0 where things float.
    """

    words: tuple[str, ...]
    phrases: tuple[str, ...]
    back: Painter | None  # None: one plain colour, named in the caption
    front: Painter | None = None
    horizon: float = 0.6
    ground: str = "land"  # land, water, floor or none
    outdoors: bool = True
    far: bool = False  # may stand behind another
    near: bool = False  # another may stand behind it

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def paint(self) -> Callable[[int, Generator], Image.Image] | None:
        """Paints the whole of it at this side; None for the plain one."""
        return partial(_paint, self.back, self.front) if self.back else None


def gradient(side: int, top: RGB, bottom: RGB) -> Image.Image:
    """An image whose rows run from `top` to `bottom`."""
    return ramp((side, side), (top, bottom))


def _paint(back: Painter, front: Painter | None, side: int, rng: Generator) -> Image.Image:
    canvas = Canvas(side, rng)
    back(canvas)
    if front:
        front(canvas)
    return canvas.finished()


BACKGROUNDS: tuple[Background, ...] = (
    Background(
        ("plain",),
        (),
        None,
        horizon=0.7,
        ground="floor",
        outdoors=False,
    ),
    Background(("sky", "blue sky"), ("in the sky", "in a blue sky", "up in the sky"), landscapes.sky, horizon=1.0, ground="none"),
    Background(
        ("beach", "seaside", "seashore"),
        ("on the beach", "at the beach", "at the seaside", "on the sand"),
        landscapes.beach_back,
        landscapes.beach_front,
        0.62,
        near=True,
    ),
    Background(
        ("sea", "ocean", "underwater"),
        ("in the sea", "in the ocean", "under water", "under the sea"),
        landscapes.sea,
        horizon=1.0,
        ground="none",
    ),
    Background(
        ("lake", "lakeside"),
        ("on a lake", "at the lake", "by the lake"),
        heights.lake_back,
        heights.lake_front,
        0.52,
        "water",
        near=True,
    ),
    Background(
        ("river", "stream"),
        ("by a river", "at the river", "by the stream"),
        landscapes.river_back,
        landscapes.river_front,
        0.5,
        near=True,
    ),
    Background(
        ("snow field", "snowy landscape", "arctic"),
        ("in the snow", "in a snow field", "in a snowy landscape", "on the ice"),
        landscapes.snow_back,
        landscapes.snow_front,
        0.58,
        near=True,
    ),
    Background(
        ("meadow", "grass", "field"),
        ("in a meadow", "on the grass", "in a field"),
        landscapes.meadow_back,
        landscapes.meadow_front,
        0.56,
        near=True,
    ),
    Background(
        ("rural landscape", "countryside", "farmland"),
        ("in a rural landscape", "in the countryside", "on farmland", "in the country"),
        landscapes.rural_back,
        landscapes.rural_front,
        0.46,
        near=True,
    ),
    Background(
        ("desert", "dunes"),
        ("in the desert", "in a desert", "among the dunes"),
        heights.desert_back,
        heights.desert_front,
        0.58,
        near=True,
    ),
    Background(
        ("city", "town", "street"),
        ("in the city", "in a town", "on the street"),
        places.city_back,
        places.city_front,
        0.74,
        far=True,
    ),
    Background(
        ("metropolis", "modern metropolis", "skyline", "modern city", "skyscrapers"),
        ("in a modern metropolis", "in front of a skyline", "in a modern city", "in a metropolis", "among skyscrapers"),
        places.metropolis_back,
        places.metropolis_front,
        0.75,
        far=True,
    ),
    Background(("village",), ("in a village", "in the village"), places.village_back, places.village_front, 0.7, far=True),
    Background(("forest", "woods"), ("in the forest", "in the woods"), woods.forest_back, woods.forest_front, 0.71, far=True),
    Background(("jungle", "rainforest"), ("in the jungle", "in a jungle", "in the rainforest"), woods.jungle, horizon=0.75),
    Background(
        ("mountains", "mountain landscape", "alps"),
        ("in the mountains", "in front of the mountains", "in the alps"),
        heights.mountains_back,
        heights.mountains_front,
        0.73,
        far=True,
    ),
    Background(
        ("volcano", "lava"),
        ("in front of a volcano", "near a volcano", "at the volcano"),
        heights.volcano_back,
        heights.volcano_front,
        0.74,
        far=True,
    ),
    Background(("waterfall",), ("at a waterfall", "in front of a waterfall", "by the waterfall"), wilds.waterfall, horizon=0.84),
    Background(
        ("island", "tropical island"),
        ("in front of an island", "near a tropical island", "at an island"),
        wilds.island_back,
        wilds.island_front,
        0.6,
        "water",
        near=True,
    ),
    Background(
        ("space", "outer space", "galaxy"),
        ("in space", "in outer space", "among the stars"),
        wilds.space,
        horizon=1.0,
        ground="none",
    ),
    Background(
        ("moon surface", "lunar surface"),
        ("on the moon", "on the surface of the moon", "on the lunar surface"),
        wilds.moon_back,
        wilds.moon_front,
        0.6,
        near=True,
    ),
    Background(
        ("room", "living room", "indoors"),
        ("in a room", "in the living room", "indoors", "at home"),
        interiors.room,
        horizon=0.72,
        ground="floor",
        outdoors=False,
    ),
    Background(("kitchen",), ("in the kitchen", "in a kitchen"), interiors.kitchen, horizon=0.78, ground="floor", outdoors=False),
    Background(
        ("library", "bookshelves"),
        ("in a library", "in the library", "in front of bookshelves"),
        interiors.library,
        horizon=0.78,
        ground="floor",
        outdoors=False,
    ),
    Background(
        ("stage", "theater", "theatre"),
        ("on a stage", "on the stage", "in the spotlight", "in a theater"),
        interiors.stage,
        horizon=0.78,
        ground="floor",
        outdoors=False,
    ),
    Background(("cave", "cavern"), ("in a cave", "in a cavern"), wilds.cave, horizon=0.7, outdoors=False),
    Background(
        ("garden", "flower garden"),
        ("in the garden", "in a garden", "among flower beds"),
        gardens.garden_back,
        gardens.garden_front,
        0.58,
        near=True,
    ),
    Background(("park",), ("in the park", "in a park"), gardens.park_back, gardens.park_front, 0.54, near=True),
    Background(
        ("farm", "farmyard", "barnyard"),
        ("on a farm", "on the farm", "in front of a barn"),
        gardens.farm_back,
        gardens.farm_front,
        0.68,
        far=True,
    ),
    Background(
        ("castle hill", "castle on a hill"),
        ("in front of a castle on a hill", "below a castle", "under the castle hill"),
        places.castle_back,
        places.castle_front,
        0.72,
        far=True,
    ),
    Background(
        ("road", "highway"), ("on the road", "on a road", "on the highway"), places.road_back, places.road_front, 0.5, near=True
    ),
    Background(
        ("harbor", "harbour", "port"),
        ("in the harbor", "at the harbour", "in a port"),
        places.harbor_back,
        places.harbor_front,
        0.66,
        "water",
    ),
    Background(("swamp", "marsh"), ("in a swamp", "in the swamp", "in the marsh"), wilds.swamp, horizon=0.84),
)
BACKGROUND_NAMES: tuple[str, ...] = tuple(background.name for background in BACKGROUNDS)
BACKGROUND_BY_NAME: dict[str, Background] = {background.name: background for background in BACKGROUNDS}


def two_planes(near: str, far: str, side: int, rng: Generator) -> Image.Image:
    """The ground of one background with another, small and pale, at its horizon. `near` must be near and `far` far."""
    front, behind = BACKGROUND_BY_NAME[near], BACKGROUND_BY_NAME[far]
    assert front.front and behind.back and front.near and behind.far
    far_rng, near_rng = rng.spawn(2)  # so that the ground is the same whatever stands behind it
    distant = Canvas(side, far_rng)
    behind.back(distant)
    size, base, line = distant.size, round(behind.horizon * 2 * side), round((front.horizon + 0.02) * 2 * side)
    lifted = distant.image.crop((0, 0, size, base)).resize((size, line), Image.Resampling.BILINEAR)
    distant.image.paste(lifted)
    distant.haze(front.horizon * 0.3, front.horizon + 0.02, (226, 236, 246), 0.05, 0.32)
    ground = Canvas(side, near_rng, distant.image)
    front.front(ground)
    return ground.finished()
