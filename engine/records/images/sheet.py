"""A labelled sheet of images: columns, rows, and blocks of both under each other."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from engine.errors import ImageError
from engine.records.images.open_image import open_header

MOST_PIXELS = 64_000_000
LONGEST_SIDE = 16_000
"""The largest sheet: larger ones are drawn smaller."""

_GAP = 8
_INK, _PAPER, _EMPTY = "#222222", "#ffffff", "#eeeeee"
_FONTS = ("NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf", "msgothic.ttc", "segoeui.ttf")
"""Fonts of the system for labels whose letters Pillow's own font lacks."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, kw_only=True)
class SheetTitles:
    """The labels of the columns, of the rows and of the blocks; () for a direction that there is not."""

    across: Sequence[str] = ()
    down: Sequence[str] = ()
    blocks: Sequence[str] = ()


@dataclass(frozen=True)
class Sheet:
    """A finished sheet, and at which scale its images are on it."""

    image: Image.Image
    scale: float


@dataclass(frozen=True)
class _Measures:
    """Sizes in pixels: of a cell, of the labels' bands, and of a block."""

    cell: tuple[int, int]
    left: int
    top: int
    title: int
    columns: int
    rows: int
    blocks: int

    @property
    def block(self) -> int:
        """The height of a block."""
        return self.title + self.top + self.rows * (self.cell[1] + _GAP)

    @property
    def size(self) -> tuple[int, int]:
        """The size of the sheet."""
        return self.left + self.columns * (self.cell[0] + _GAP) + _GAP, self.blocks * self.block + _GAP

    def find(self, place: Sequence[int]) -> tuple[int, int]:
        """The upper left corner of a cell."""
        column, row, block = (*place, *(0,) * (3 - len(place)))
        across = self.left + _GAP + column * (self.cell[0] + _GAP)
        return across, block * self.block + self.title + self.top + row * (self.cell[1] + _GAP)


def draw_sheet(titles: SheetTitles, places: Mapping[tuple[int, ...], Path]) -> Generator[float, None, Sheet]:
    """Draw the images at ``places`` (column, row, block) under ``titles``; a cell without an image stays empty.

    Yields the share that is done after each image, and returns the sheet. Images of several sizes are centred in cells of the
    largest. Images that cannot be read any more are left out.
    """
    sizes = {path: size for path in places.values() if (size := _read_size(path)) is not None}
    largest = max((w for w, _ in sizes.values()), default=64), max((h for _, h in sizes.values()), default=64)
    scale = _choose_scale(titles, largest)
    layout = _lay_out(titles, largest, scale)
    sheet = Image.new("RGB", layout.size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_cells(draw, layout)
    _write_titles(draw, titles, layout)
    for number, (place, path) in enumerate(places.items(), start=1):
        if path in sizes:
            _paste(sheet, path, layout.find(place), layout.cell, scale)
        yield number / len(places)
    return Sheet(sheet, scale)


def _read_size(path: Path) -> tuple[int, int] | None:
    try:
        with open_header(path) as stored:
            return stored.size
    except (ImageError, OSError):
        return None


def _paste(sheet: Image.Image, path: Path, corner: tuple[int, int], cell: tuple[int, int], scale: float) -> None:
    try:
        with open_header(path) as stored:
            image = stored.convert("RGB")
    except (ImageError, OSError):  # moved away while the grid was made
        return
    if scale < 1:
        image = image.resize((max(1, int(image.width * scale)), max(1, int(image.height * scale))), Image.Resampling.LANCZOS)
    sheet.paste(image, (corner[0] + (cell[0] - image.width) // 2, corner[1] + (cell[1] - image.height) // 2))


def _choose_scale(titles: SheetTitles, cell: tuple[int, int]) -> float:
    """The scale at which the sheet is not too large: 1 for most."""
    scale = 1.0
    while True:
        width, height = _lay_out(titles, cell, scale).size
        if (width * height <= MOST_PIXELS and max(width, height) <= LONGEST_SIDE) or min(cell) * scale <= 8:
            return scale
        scale *= 0.9


def _lay_out(titles: SheetTitles, largest: tuple[int, int], scale: float) -> _Measures:
    cell = max(1, int(largest[0] * scale)), max(1, int(largest[1] * scale))
    line = _find_height(cell)
    return _Measures(
        cell=cell,
        left=min(max((_measure(text, line) for text in titles.down), default=0), max(cell[0], 12 * line)) + _GAP,
        top=_GAP + (max((len(_wrap(text, cell[0], line)) for text in titles.across), default=0)) * _leading(line),
        title=(_GAP + 2 * line) if titles.blocks else 0,
        columns=max(1, len(titles.across)),
        rows=max(1, len(titles.down)),
        blocks=max(1, len(titles.blocks)),
    )


def _draw_cells(draw: ImageDraw.ImageDraw, layout: _Measures) -> None:
    """The ground of each cell, which is seen where there is no image, or a smaller one."""
    for place in itertools.product(range(layout.columns), range(layout.rows), range(layout.blocks)):
        left, top = layout.find(place)
        draw.rectangle((left, top, left + layout.cell[0] - 1, top + layout.cell[1] - 1), _EMPTY)


def _write_titles(draw: ImageDraw.ImageDraw, titles: SheetTitles, layout: _Measures) -> None:
    line = _find_height(layout.cell)
    for block in range(layout.blocks):
        if titles.blocks:
            draw.text((_GAP, block * layout.block + _GAP), titles.blocks[block], _INK, _load_font(titles.blocks[block], line))
        for column, text in enumerate(titles.across):
            left, top = layout.find((column, 0, block))
            lines = _wrap(text, layout.cell[0], line)
            _write(draw, lines, (left, top - _GAP // 2 - len(lines) * _leading(line)), line)
        for row, text in enumerate(titles.down):
            _, top = layout.find((0, row, block))
            lines = _wrap(text, layout.left - _GAP, line)
            _write(draw, lines, (_GAP // 2, top + (layout.cell[1] - len(lines) * _leading(line)) // 2), line)


def _write(draw: ImageDraw.ImageDraw, lines: Iterable[str], corner: tuple[int, int], line: int) -> None:
    for number, text in enumerate(lines):
        draw.text((corner[0], corner[1] + number * _leading(line)), text, _INK, _load_font(text, line))


def _find_height(cell: tuple[int, int]) -> int:
    """The height of letters in pixels, for cells of this size."""
    return max(9, min(40, min(cell) // 16))


def _leading(line: int) -> int:
    return round(1.3 * line)


def _wrap(text: str, width: int, line: int) -> list[str]:
    """``text`` in up to three lines that are not wider than ``width`` pixels; what is longer ends with dots."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and _measure(joined, line) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    kept = lines[:3] if len(lines) <= 3 else [*lines[:2], f"{lines[2]} …"]
    return [_shorten(each, width, line) for each in kept]


def _shorten(text: str, width: int, line: int) -> str:
    if _measure(text, line) <= width:
        return text
    shorter = text
    while len(shorter) > 1 and _measure(shorter + "…", line) > width:
        shorter = shorter[:-1]
    return shorter + "…"


def _measure(text: str, line: int) -> int:
    return round(_load_font(text, line).getlength(text))


def _load_font(text: str, line: int) -> Font:
    """Pillow's own font; one of the system's for letters that it lacks, where there is one."""
    for name in () if text.isascii() else _FONTS:
        try:
            return ImageFont.truetype(name, line)
        except OSError:
            continue
    return ImageFont.load_default(line)
