"""The commands that make images: ``make`` and ``upscale``."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.queues import Queue
from engine.errors import CancelledError, EaselError, OutputError, RequestError
from engine.json_values import JsonObject
from engine.requests import Request, TextToImage, Upscale, from_json, to_json
from engine.storage.atomic_files import write_file

_BAR = 30
"""Characters of the progress bar."""

_COLUMNS = ("prompt", "negative_prompt", "seed", "steps", "guidance_scale", "width", "height", "count", "scheduler", "checkpoint")
"""The columns that CSV on standard input may have."""


@dataclass(frozen=True)
class Output:
    """Where images go: into ``path``, or only into Easel's own outputs folder if it is None."""

    path: Path | None
    force: bool
    as_json: bool


def make(asked: argparse.Namespace, queue: Queue) -> int:
    """Draw images from a prompt, or from each line of standard input."""
    output = Output(asked.out, asked.force, asked.json)
    request = read_request(asked)
    requests = list(_read_requests(sys.stdin.read(), request)) if asked.prompt == "-" else [request]
    names = _name_files(output, sum(each.count for each in requests))
    for each in requests:
        _run(queue, each, output, names)
    return 0


def upscale(asked: argparse.Namespace, queue: Queue) -> int:
    """Make an image larger."""
    output = Output(asked.out, asked.force, asked.json)
    names = _name_files(output, 1)
    request = Upscale(images=(queue.store(asked.image),), upscaler=asked.upscaler, factor=asked.factor)
    _run(queue, request, output, names)
    return 0


def read_request(asked: argparse.Namespace) -> TextToImage:
    """The request that the flags of ``make`` and ``plan`` describe. Raises RequestError."""
    width, _, height = (asked.size or "").lower().partition("x")
    if asked.size and not (width.isdecimal() and height.isdecimal()):
        raise RequestError(f"--size is written like 512x768. It was {asked.size!r}.")
    return TextToImage(
        prompt=asked.prompt, negative_prompt=asked.negative, seed=asked.seed, steps=asked.steps, guidance_scale=asked.cfg,
        scheduler=asked.sampler, count=asked.count, checkpoint=asked.checkpoint, width=int(width) if width else None,
        height=int(height) if height else None,
    )  # fmt: skip


def _read_requests(text: str, request: TextToImage) -> Iterator[Request]:
    """A request for each line: prompts, or CSV whose first line names the columns. Raises RequestError."""
    lines = [line for line in text.splitlines() if line.strip()]
    head = [name.strip() for name in lines[0].split(",")] if lines else []
    if "prompt" not in head or not set(head) <= set(_COLUMNS):
        yield from (dataclasses.replace(request, prompt=line.strip()) for line in lines)
        return
    for row in csv.DictReader(io.StringIO("\n".join(lines))):
        yield from_json({**to_json(request), **_read_row(row)})


def _read_row(row: Mapping[str, str | None]) -> JsonObject:
    """The fields of one line. Numbers are read as such."""
    found: JsonObject = {}
    for name, text in row.items():
        if not text or not text.strip():
            continue
        try:
            found[name.strip()] = text if name.strip() in ("prompt", "negative_prompt") else json.loads(text)
        except ValueError:
            found[name.strip()] = text.strip()
    return found


def _name_files(output: Output, count: int) -> Iterator[Path]:
    """The files to write, one after the other. Raises OutputError if one of them is there."""
    if output.path is None:
        return iter(())
    stem, suffix = output.path.stem, output.path.suffix or ".png"
    several = [output.path.with_name(f"{stem}-{number}{suffix}") for number in range(1, count + 1)]
    names = several if count > 1 else [output.path]
    for name in names:
        if not output.force and os.path.lexists(name):
            raise OutputError(f"“{name}” is there already, so nothing was made. Choose another name, or add --force.")
    return iter(names)


def _run(queue: Queue, request: Request, output: Output, names: Iterator[Path]) -> None:
    """Make the images of one request, and write them. Ctrl+C stops the job."""
    job = queue.submit(request)
    try:
        for name, fields in queue.follow(job):
            _show(queue, job, name, fields, output, names, tells_seed=not isinstance(request, Upscale))
    except (KeyboardInterrupt, OutputError):
        queue.stop(job)
        raise


def _show(
    queue: Queue, job: str, name: str, fields: JsonObject, output: Output, names: Iterator[Path], *, tells_seed: bool
) -> None:
    if name == "step":
        _draw_bar(fields)
    elif name == "notice":
        print(fields["text"], file=sys.stderr)
    elif name == "image":
        index = fields["index"]
        assert isinstance(index, int)
        path = next(names, None)
        if path is not None:
            _write(path, queue.fetch(job, index))
        _print_image(job, index, fields, path, output, tells_seed=tells_seed)
    elif name == "failed":
        raise EaselError(str(fields["message"]))
    elif name == "cancelled":
        raise CancelledError("This job was stopped.")


def _write(path: Path, content: bytes) -> None:
    try:
        write_file(path, content)
    except OSError as error:
        raise OutputError(f"“{path}” cannot be written: {error.strerror or error}.") from error


def _print_image(job: str, index: int, fields: JsonObject, path: Path | None, output: Output, *, tells_seed: bool) -> None:
    """Say where an image is; its seed too, unless it was upscaled: most upscalers draw nothing by chance."""
    if output.as_json:
        print(json.dumps({"job": job, "index": index, "seed": fields.get("seed"), "path": str(path) if path else None}))
    else:
        where = f"“{path}”" if path else "Easel's outputs folder"
        seed = f"; its seed is {fields.get('seed')}" if tells_seed else ""
        print(f"Picture {index + 1} is in {where}{seed}.")


def _draw_bar(fields: JsonObject) -> None:
    """A progress bar on a terminal, and nothing elsewhere."""
    step, steps = fields.get("step"), fields.get("steps")
    if not sys.stderr.isatty() or not isinstance(step, int) or not isinstance(steps, int) or steps < 1:
        return
    done = _BAR * step // steps
    end = "\n" if step >= steps else "\r"
    print(f"[{'#' * done}{' ' * (_BAR - done)}] step {step} of {steps}", end=end, file=sys.stderr, flush=True)
