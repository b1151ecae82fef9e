"""Pictures made larger, in tiles, written while they are made. The phases of a job, from top to bottom."""

from __future__ import annotations

import dataclasses
import math
import secrets
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

import engine.preferences as preferences
from engine.checkpoints.library.upscalers import BUILT_IN, LANCZOS
from engine.errors import EaselError, PictureError, RequestError
from engine.events import Event, Loading, Notice, PictureSaved, Result
from engine.generate.engine_state import EngineState, environment
from engine.generate.progress import Progress
from engine.generate.upscale.networks import WithAlpha
from engine.generate.upscale.tiles import Enlarger, enlarge, tiles
from engine.generate.upscale.upscalers import Upscaler, opened
from engine.plan import upscale_estimate
from engine.records import inspect_file, metadata, outputs
from engine.records.blobs import Blobs
from engine.records.images.open_image import MAX_PIXELS, Picture, open_picture, upright_exif
from engine.records.images.png_writer import PngWriter
from engine.records.record import Record
from engine.requests import Resolved, ResolvedUpscale, Upscale, check, complete_upscale
from engine.stopping import Stop

_RANDOM_SEEDS = 2**32

_UNMARKED = "Enlarged pictures are saved without the invisible watermark: they are written before all of them is there."


@dataclass(frozen=True, kw_only=True)
class Session:
    """One job while it holds its upscaler."""

    job: str
    asked: Upscale
    seed: int
    upscaler: Upscaler
    progress: Progress
    state: EngineState
    stop: Stop

    @property
    def folder(self) -> Path:
        """Where the results are saved."""
        return self.state.settings.outputs


def run(job: str, asked: Upscale, state: EngineState, stop: Stop) -> Iterator[Event]:
    """Enlarge the pictures of one job. Each is on disk before its PictureSaved event is given out.

    A picture that cannot be used is told in a notice, and the others are made. Raises EaselError for what cannot be done, and
    Cancelled soon after ``stop`` is set.
    """
    # 1. Refuse now what cannot be kept.
    check(asked)
    outputs.check_writable(state.settings.outputs)
    seed = secrets.randbelow(_RANDOM_SEEDS) if asked.seed is None else asked.seed

    # 2. The upscaler, from disk.
    name = asked.upscaler or BUILT_IN
    if name.casefold() != LANCZOS and name not in state.cache.names:
        yield Loading(job=job, checkpoint=name, text=f"Loading {name}")
    with opened(asked, state, stop) as upscaler:
        progress = Progress(job, len(asked.images), "tile")
        session = Session(job=job, asked=asked, seed=seed, upscaler=upscaler, progress=progress, state=state, stop=stop)
        # 3. One picture after the other. Those that an earlier attempt saved are not made twice.
        saved, troubles = outputs.existing(state.settings.outputs, job), []
        for index, image in enumerate(asked.images):
            if index in saved:
                yield PictureSaved(job=job, picture=index, result=_result(saved[index], seed, 0.0))
                continue
            try:
                yield from _picture(session, index, image)
            except (PictureError, RequestError) as error:
                troubles.append(error)
                yield from _told(session, index, error)
        if len(troubles) == len(asked.images):
            raise troubles[-1]


def _told(session: Session, index: int, error: EaselError) -> Iterator[Event]:
    """Of several pictures one that cannot be enlarged is named and left out; a single one is the job's own failure."""
    if len(session.asked.images) > 1:
        yield Notice(job=session.job, text=f"Picture {index + 1} was left out. {error}")


def _picture(session: Session, index: int, image: str) -> Iterator[Event]:
    """One picture, from its file to a file."""
    began = time.monotonic()
    # 4. The source, upright and in 8 bits; its size says what the result will need.
    path = Blobs(session.state.settings.data / "blobs").path(image)
    picture = open_picture(path, paper="", keep_profile=True)
    chosen = preferences.read(session.state.settings.data)
    unmarked = (_UNMARKED,) if chosen.watermark else ()
    yield from (Notice(job=session.job, text=text) for text in (*picture.notices, *unmarked))
    work = upscale_estimate.Job(width=picture.colours.width, height=picture.colours.height, factor=session.asked.factor,
                         checkpoint_hash=session.upscaler.hash)  # fmt: skip
    _refuse_by_size(work, session.folder)
    resolved = _resolved(session, image, work.size)

    # 5. What there is to do before the tiles: denoising, for a diffusion upscaler.
    planes, enlarger = yield from _begun(session, index, picture, resolved)

    # 6. The tiles, written from the top down as they are finished.
    with outputs.opened(resolved, outputs=session.folder, job=session.job, index=index) as (stream, target):
        record = Record(resolved=resolved, job=session.job, index=index, source=inspect_file.texts(path))
        exif, texts = (b"", None) if chosen.leave_metadata_out else (upright_exif(path), metadata.png_info(record))
        planes_out = 3 if picture.alpha is None else 4
        writer = PngWriter(stream, work.size, planes_out, icc_profile=picture.icc_profile, exif=exif, texts=texts)
        yield from _tiles(session, index, planes, enlarger, resolved, writer)
        writer.close()

    # 7. Said once it is on disk.
    seconds = time.monotonic() - began
    upscale_estimate.learn_speed(dataclasses.replace(work, steps=resolved.request.steps), seconds, session.state.notes)
    yield PictureSaved(job=session.job, picture=index, result=_result(target, session.seed, seconds))


def _begun(
    session: Session, index: int, picture: Picture, resolved: Resolved[ResolvedUpscale]
) -> Generator[Event, None, tuple[torch.Tensor, Enlarger]]:
    """The planes that are to be enlarged, transparency the last, and by what."""
    request = resolved.request
    upscaler = session.upscaler
    source = _planes(picture.colours if picture.alpha is None else bled(picture.colours, picture.alpha))
    ticks = upscaler.ticks(request, picture.colours.size)
    steps = ticks + tiles(*picture.colours.size, upscaler.side)
    session.progress.start_picture()
    work, done = upscaler.begin(source, resolved), 0
    while True:
        try:
            next(work)
        except StopIteration as finished:
            planes, enlarger = finished.value
            break
        done += 1
        yield session.progress.step(index, min(done, ticks), steps, None)
    if picture.alpha is None:
        return planes, enlarger
    return torch.cat([planes, _planes(picture.alpha).to(planes.dtype)]), WithAlpha(enlarger)


def _tiles(
    session: Session, index: int, planes: torch.Tensor, enlarger: Enlarger, resolved: Resolved[ResolvedUpscale], writer: PngWriter
) -> Iterator[Event]:
    """Every tile, a step each; ``writer`` gets the rows."""
    request = resolved.request
    ticks = session.upscaler.ticks(request, (planes.shape[2], planes.shape[1]))
    halved: list[int] = []
    for done in enlarge(planes, enlarger, (request.width, request.height), request.tile, halved.append):
        session.stop.raise_if_set()
        if done.rows is not None:
            writer.write(done.rows)
        while halved:
            yield Notice(job=session.job, text=f"Memory ran out; it goes on in smaller tiles of {halved.pop()} pixels.")
        yield session.progress.step(index, ticks + done.number, ticks + done.tiles, None)


def _resolved(session: Session, image: str, size: tuple[int, int]) -> Resolved[ResolvedUpscale]:
    state, upscaler = session.state, session.upscaler
    request = complete_upscale(
        session.asked, image=image, upscaler=upscaler.name, width=size[0], height=size[1], tile=upscaler.side, seed=session.seed
    )
    device = state.hardware.device
    return Resolved(
        request=upscaler.resolved(session.asked, request),
        plan=upscaler.plan,
        threads=state.threads,
        checkpoint_hash=upscaler.hash,
        environment=environment(device.name or device.kind),
    )


def _refuse_by_size(work: upscale_estimate.Job, folder: Path) -> None:
    """Raises RequestError for a result that Easel could not open again, DiskFull for one that has no room."""
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


def bled(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """``colours`` with the visible ones spread into what is transparent: hidden ones would show as a fringe when enlarged."""
    seen = Image.composite(colours, Image.new("RGB", colours.size), alpha)
    near, weight = (image.filter(ImageFilter.BoxBlur(4)) for image in (seen, alpha))
    share = np.asarray(weight, np.float32)[..., None] / 255
    spread = np.where(share > 0, np.asarray(near, np.float32) / np.maximum(share, 1e-3), np.asarray(colours, np.float32))
    return Image.composite(colours, Image.fromarray(spread.clip(0, 255).astype(np.uint8)), alpha.point(_hard))


def _hard(level: int) -> int:
    return 255 if level else 0
