"""``./launch.sh mcp``: Easel as tools for language models, over the Model Context Protocol on standard input and output.

Each call goes through the queue that all commands use (:mod:`cli.queues`). The SDK keeps standard output for the protocol:
whatever this process or its children print goes to standard error.
"""

from __future__ import annotations

import io
import json
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio.from_thread
import anyio.to_thread
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from PIL import Image as Pillow

from api.images import prepare_mask
from cli.looking import describe_settings, list_rows
from cli.queues import Queue, open_queue
from engine.errors import CancelledError, EaselError
from engine.json_values import JsonObject
from engine.records.images.open_image import open_image
from engine.requests import ImageToImage, Request, TextToImage, Upscale
from engine.settings import VERSION, Settings

INSTRUCTIONS = (
    "Easel draws pictures on this computer with Stable Diffusion. Call list_models first to see what can be drawn with. Every "
    "picture is also saved in Easel's outputs folder."
)

_MOST_BYTES, _MOST_SIDE, _QUALITY = 500_000, 1024, 90
"""A larger picture is sent as a JPEG of at most so many pixels a side: clients refuse long answers. The file stays as it is."""

_REPAINTED = 1.0
"""How far the masked part departs from the picture."""

Report = Callable[[float, float], None]
"""Told the steps done and the steps in all."""

Content = list[Image | str]
"""What a tool answers: pictures and sentences."""


@dataclass
class _Call:
    """One call of a tool. ``stopped`` is set when its client gave up."""

    report: Report
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, queue: Queue, request: Request) -> Content:
        """Make the pictures of a request. Raises EaselError."""
        job, answer = queue.submit(request), Content()
        for name, fields in queue.follow(job):
            if self.stopped.is_set():
                queue.stop(job)
            answer += self._read(queue, job, name, fields)
        return answer

    def _read(self, queue: Queue, job: str, name: str, fields: JsonObject) -> Content:
        index, step, steps = fields.get("index"), fields.get("step"), fields.get("steps")
        if name == "step" and isinstance(step, int) and isinstance(steps, int):
            self.report(step, steps)
        elif name == "notice":
            return [str(fields["text"])]
        elif name == "image" and isinstance(index, int):
            return [shrink(queue.fetch(job, index)), f"Picture {index + 1}: seed {fields.get('seed')}, job {job}."]
        elif name == "failed":
            raise EaselError(str(fields["message"]))
        elif name == "cancelled":
            raise CancelledError("This job was stopped.")
        return []


def shrink(content: bytes) -> Image:
    """A picture's file, small enough for an answer."""
    if len(content) <= _MOST_BYTES:
        return Image(data=content, format=_find_format(content))
    with Pillow.open(io.BytesIO(content)) as opened:
        small = opened.convert("RGB")
    small.thumbnail((_MOST_SIDE, _MOST_SIDE))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY)
    return Image(data=stream.getvalue(), format="jpeg")


def _find_format(content: bytes) -> str:
    with Pillow.open(io.BytesIO(content)) as opened:
        return (opened.format or "png").lower()


def create_server(settings: Settings, engine: str) -> MCPServer:
    """The server with its tools; ``engine`` makes the pictures where no Easel runs."""
    server = MCPServer("easel", title="Easel", version=VERSION, instructions=INSTRUCTIONS, log_level="ERROR")
    drawer = _Drawer(settings, engine)
    _add_drawing(server, drawer)
    _add_editing(server, drawer)
    _add_looking(server, settings)
    return server


@dataclass(frozen=True)
class _Drawer:
    """Makes pictures for one call after the other; ``engine`` does where no Easel runs."""

    settings: Settings
    engine: str

    async def draw(self, context: Context, build: Callable[[Queue], Request]) -> Content:
        """The pictures of the request that ``build`` makes. Raises ToolError. Its job is stopped if the client gives up."""
        call = _Call(lambda step, steps: anyio.from_thread.run(context.report_progress, step, steps))

        def work() -> Content:
            with open_queue(self.settings, self.engine) as queue:
                return call.run(queue, build(queue))

        try:
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        except EaselError as error:
            raise ToolError(str(error)) from error
        finally:
            call.stopped.set()


def _add_drawing(server: MCPServer, drawer: _Drawer) -> None:
    @server.tool(structured_output=False)
    async def make(
        context: Context, prompt: str, negative_prompt: str = "", width: int | None = None, height: int | None = None,
        count: int = 1, seed: int | None = None, steps: int | None = None, cfg_scale: float | None = None,
        sampler: str | None = None, checkpoint: str | None = None,
    ) -> Content:  # fmt: skip
        """Draw pictures from a prompt. What is left out is chosen for the checkpoint; the same seed gives the same picture."""
        request = TextToImage(
            prompt=prompt, negative_prompt=negative_prompt, width=width, height=height, count=count, seed=seed, steps=steps,
            guidance_scale=cfg_scale, scheduler=sampler, checkpoint=checkpoint,
        )  # fmt: skip
        return await drawer.draw(context, lambda queue: request)

    @server.tool(structured_output=False)
    async def upscale(context: Context, image: str, factor: float = 4.0, upscaler: str | None = None) -> Content:
        """Make a picture larger: ``image`` is the path of its file, ``factor`` how many times as wide and high it becomes."""
        return await drawer.draw(
            context, lambda queue: Upscale(images=(queue.store(Path(image)),), upscaler=upscaler, factor=factor)
        )


def _add_editing(server: MCPServer, drawer: _Drawer) -> None:
    @server.tool(structured_output=False)
    async def edit(
        context: Context, image: str, prompt: str, mask: str | None = None, strength: float | None = None,
        negative_prompt: str = "", seed: int | None = None, checkpoint: str | None = None,
    ) -> Content:  # fmt: skip
        """Change a picture: ``image`` is the path of its file. ``mask`` is the path of a picture that is white where ``image`` is
        to be drawn anew; without one all of it changes. ``strength`` (0 to 1) is how far it departs from what was there."""

        def build(queue: Queue) -> Request:
            blank = ImageToImage(init_image=queue.store(Path(image)), mask_image=_store_mask(queue, mask, image))
            kept = _REPAINTED if mask else blank.strength
            return ImageToImage(
                prompt=prompt, negative_prompt=negative_prompt, seed=seed, checkpoint=checkpoint, init_image=blank.init_image,
                mask_image=blank.mask_image, strength=kept if strength is None else strength,
            )  # fmt: skip

        return await drawer.draw(context, build)


def _add_looking(server: MCPServer, settings: Settings) -> None:
    @server.tool(structured_output=False)
    async def read_settings(image: str) -> str:
        """The settings with which a picture was made, by Easel or another program: ``image`` is the path of its file."""
        try:
            return await anyio.to_thread.run_sync(describe_settings, Path(image))
        except EaselError as error:
            raise ToolError(str(error)) from error

    @server.tool(structured_output=False)
    async def list_models(kind: str | None = None) -> str:
        """What pictures can be drawn with, as JSON: checkpoints, LoRAs, upscalers, samplers and noise schedules, or only those of
        one ``kind``, such as "checkpoint"."""
        return json.dumps(await anyio.to_thread.run_sync(list_rows, settings, kind))


def _store_mask(queue: Queue, mask: str | None, image: str) -> str | None:
    if mask is None:
        return None
    for path in (image, mask):
        open_image(Path(path))  # an unreadable file is said by its name
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "mask.png"
        prepare_mask(Path(mask), Path(image), "white").save(prepared)
        return queue.store(prepared)


def serve_mcp(settings: Settings, engine: str) -> int:
    """Answer on standard input and output until the client closes them."""
    create_server(settings, engine).run("stdio")
    return 0
