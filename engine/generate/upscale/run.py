"""Images upscaled in tiles, written while they are computed. The phases of a job, from top to bottom."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

import engine.preferences as preferences
from engine.checkpoints.library.upscalers import BUILT_IN, LANCZOS
from engine.errors import EaselError, ImageError, RequestError
from engine.events import Event, ImageSaved, Loading, Notice, Result
from engine.generate.engine_state import EngineState, environment
from engine.generate.estimate import StepProgress
from engine.generate.upscale.networks import WithTransparency
from engine.generate.upscale.prepare import Upscaler, open_upscaler
from engine.generate.upscale.tiles import TileUpscaler, count_tiles, upscale_in_tiles
from engine.plan import upscale_estimate
from engine.records import inspect_file, metadata, outputs
from engine.records.blobs import Blobs
from engine.records.images.open_image import MAX_PIXELS, OpenedImage, open_image, upright_exif
from engine.records.images.png_writer import PngWriter
from engine.records.record import Record
from engine.requests import Resolved, ResolvedUpscale, Upscale, check, complete_upscale
from engine.seeds import draw_seed
from engine.stopping import Stop

_UNMARKED = "Upscaled pictures are saved without the invisible watermark, because they are written to the file piece by piece."


@dataclass(frozen=True, kw_only=True)
class UpscaleRun:
    """One job while it holds its upscaler."""

    job: str
    asked: Upscale
    seed: int
    upscaler: Upscaler
    progress: StepProgress
    state: EngineState
    stop: Stop

    @property
    def folder(self) -> Path:
        """Where the results are saved."""
        return self.state.settings.outputs


def run(job: str, asked: Upscale, state: EngineState, stop: Stop) -> Iterator[Event]:
    """Upscale or clean the images of one job. Each is on disk before its ImageSaved event is given out.

    An image that cannot be used is named in a notice, and the others are made. Raises EaselError for what cannot be done, and
    CancelledError soon after ``stop`` is set.
    """
    # 1. Raise now if the result cannot be saved.
    check(asked)
    outputs.check_writable(state.settings.outputs)
    seed = draw_seed() if asked.seed is None else asked.seed

    # 2. The upscaler, from disk.
    name = asked.upscaler or BUILT_IN
    if name.casefold() != LANCZOS and name not in state.cache.names:
        yield Loading(job=job, checkpoint=name, text=f"Loading {name}")
    with open_upscaler(dataclasses.replace(asked, seed=seed), state, stop) as upscaler:
        if upscaler.keeps_size:
            asked = dataclasses.replace(asked, factor=1.0)
        progress = StepProgress(job, len(asked.images), "tile")
        this = UpscaleRun(job=job, asked=asked, seed=seed, upscaler=upscaler, progress=progress, state=state, stop=stop)
        # 3. One image after the other. Those that an earlier attempt saved are not made twice.
        saved, troubles = outputs.find_saved(state.settings.outputs, job), []
        for index, image in enumerate(asked.images):
            if index in saved:
                yield ImageSaved(job=job, index=index, result=_result(saved[index], seed, 0.0))
                continue
            try:
                yield from _upscale_image(this, index, image)
            except (ImageError, RequestError) as error:
                troubles.append(error)
                yield from _leave_out(this, index, error)
        if len(troubles) == len(asked.images):
            raise troubles[-1]


def _leave_out(run: UpscaleRun, index: int, error: EaselError) -> Iterator[Event]:
    """Skip an image that cannot be upscaled, with a notice; raise its error if it is the only one."""
    if len(run.asked.images) > 1:
        yield Notice(job=run.job, text=f"Picture {index + 1} was left out. {error}")


def _upscale_image(run: UpscaleRun, index: int, image: str) -> Iterator[Event]:
    """One image, from its file to a file."""
    began = time.monotonic()
    # 4. The source, upright and in 8 bits; its size says what the result will need.
    path = Blobs(run.state.settings.data / "blobs").path(image)
    opened = open_image(path, paper="", keep_profile=True)
    chosen = preferences.read(run.state.settings.data)
    unmarked = (_UNMARKED,) if chosen.watermark else ()
    yield from (Notice(job=run.job, text=text) for text in (*opened.notices, *unmarked))
    work = upscale_estimate.UpscaleWork(width=opened.colours.width, height=opened.colours.height, factor=run.asked.factor,
                         checkpoint_hash=run.upscaler.hash)  # fmt: skip
    _refuse_by_size(work, run.folder)
    resolved = _resolve(run, image, work.size)

    # 5. Work before the tiles: denoising, for a diffusion upscaler.
    planes, tile_upscaler = yield from _prepare(run, index, opened, resolved)

    # 6. The tiles, written from the top down as they are finished.
    style = outputs.FileStyle(pattern=chosen.name_pattern)  # a PNG, which is written while its rows are made
    with outputs.create_file(resolved, outputs=run.folder, job=run.job, index=index, style=style) as (stream, target):
        record = Record(resolved=resolved, job=run.job, index=index, source=inspect_file.texts(path))
        exif, texts = (b"", None) if chosen.leave_metadata_out else (upright_exif(path), metadata.png_info(record))
        planes_out = 3 if opened.alpha is None else 4
        writer = PngWriter(stream, work.size, planes_out, icc_profile=opened.icc_profile, exif=exif, texts=texts)
        yield from _write_tiles(run, index, planes, tile_upscaler, resolved, writer)
        writer.close()

    # 7. Yield the event once the image is on disk.
    seconds = time.monotonic() - began
    upscale_estimate.learn_upscale_speed(dataclasses.replace(work, steps=resolved.request.steps), seconds, run.state.notes)
    yield ImageSaved(job=run.job, index=index, result=_result(target, run.seed, seconds))


def _prepare(
    run: UpscaleRun, index: int, opened: OpenedImage, resolved: Resolved[ResolvedUpscale]
) -> Generator[Event, None, tuple[torch.Tensor, TileUpscaler]]:
    """The planes to upscale, transparency last, and their upscaler."""
    request = resolved.request
    upscaler = run.upscaler
    source = _planes(opened.colours if opened.alpha is None else bleed_colours(opened.colours, opened.alpha))
    before_tiles = upscaler.count_steps(request, opened.colours.size)
    steps = before_tiles + count_tiles(*opened.colours.size, upscaler.side)
    run.progress.start_image()
    work, done = upscaler.prepare(source, resolved), 0
    while True:
        try:
            next(work)
        except StopIteration as finished:
            planes, tile_upscaler = finished.value
            break
        done += 1
        yield run.progress.step(index, min(done, before_tiles), steps, None)
    if opened.alpha is None:
        return planes, tile_upscaler
    return torch.cat([planes, _planes(opened.alpha).to(planes.dtype)]), WithTransparency(tile_upscaler)


def _write_tiles(
    run: UpscaleRun,
    index: int,
    planes: torch.Tensor,
    tile_upscaler: TileUpscaler,
    resolved: Resolved[ResolvedUpscale],
    writer: PngWriter,
) -> Iterator[Event]:
    """Every tile, a step each; ``writer`` gets the rows."""
    request = resolved.request
    before_tiles = run.upscaler.count_steps(request, (planes.shape[2], planes.shape[1]))
    halved: list[int] = []
    for done in upscale_in_tiles(planes, tile_upscaler, (request.width, request.height), request.tile, halved.append):
        run.stop.raise_if_set()
        if done.rows is not None:
            writer.write(done.rows)
        while halved:
            yield Notice(job=run.job, text=f"Memory ran out. Continuing in smaller tiles of {halved.pop()} pixels.")
        yield run.progress.step(index, before_tiles + done.number, before_tiles + done.tiles, None)


def _resolve(run: UpscaleRun, image: str, size: tuple[int, int]) -> Resolved[ResolvedUpscale]:
    state, upscaler = run.state, run.upscaler
    request = complete_upscale(
        run.asked, image=image, upscaler=upscaler.name, width=size[0], height=size[1], tile=upscaler.side, seed=run.seed
    )
    device = state.hardware.device
    return Resolved(
        request=upscaler.resolve(run.asked, request),
        plan=upscaler.plan,
        threads=state.threads,
        checkpoint_hash=upscaler.hash,
        environment=environment(device.name or device.kind),
    )


def _refuse_by_size(work: upscale_estimate.UpscaleWork, folder: Path) -> None:
    """Raises RequestError for a result too large for Easel to open, DiskFull if there is no room for it."""
    if work.pixels > MAX_PIXELS:
        fits = math.floor(10 * math.sqrt(MAX_PIXELS / (work.width * work.height))) / 10
        hint = f"Choose a factor of {fits:g} or less." if fits >= 1 else "Choose a smaller picture."
        raise RequestError(
            f"{work.size[0]:,} x {work.size[1]:,} pixels are {work.pixels / 1e6:,.0f} megapixels; Easel makes up to "
            f"{MAX_PIXELS / 1e6:,.0f}. {hint}"
        )
    outputs.check_writable(folder, need=outputs.SPARE + 2 * work.pixels)


def _result(path: Path, seed: int, seconds: float) -> Result:
    with Image.open(path) as saved:
        return Result(path=path, seed=seed, width=saved.width, height=saved.height, seconds=seconds)


def _planes(image: Image.Image) -> torch.Tensor:
    """P x H x W, uint8."""
    values = torch.from_numpy(np.array(image))
    return values[None] if values.dim() == 2 else values.permute(2, 0, 1)


def bleed_colours(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """``colours`` with the visible ones spread into what is transparent: otherwise hidden colours would show as a fringe in
    the result."""
    seen = Image.composite(colours, Image.new("RGB", colours.size), alpha)
    near, weight = (image.filter(ImageFilter.BoxBlur(4)) for image in (seen, alpha))
    share = np.asarray(weight, np.float32)[..., None] / 255
    spread = np.where(share > 0, np.asarray(near, np.float32) / np.maximum(share, 1e-3), np.asarray(colours, np.float32))
    return Image.composite(colours, Image.fromarray(spread.clip(0, 255).astype(np.uint8)), alpha.point(_hard))


def _hard(level: int) -> int:
    return 255 if level else 0
