"""The flags of the commands, and what an error is at the end: a sentence on standard error and a status.

0: done; 1: it could not be done; 2: the flags are wrong; 130: Ctrl+C.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cli import looking, making
from cli.queues import Queue, open_queue
from engine.errors import EaselError
from engine.safe_text import print_any_name
from engine.settings import Settings, expand_user

_FOLDERS = ("models", "outputs", "data")

_WITH_QUEUE: Mapping[str, Callable[[argparse.Namespace, Queue], int]] = {
    "make": making.make, "upscale": making.upscale, "plan": looking.plan, "jobs": looking.jobs,
}  # fmt: skip
_WITHOUT: Mapping[str, Callable[[argparse.Namespace, Settings], int]] = {
    "info": looking.info, "list": looking.list_files, "key": looking.key, "quit": looking.quit_running,
}  # fmt: skip


_NO_MCP = "For this, Easel needs a further package. Get it with ./launch.sh --extra mcp --setup-only (Windows: launch.bat)."


def main(arguments: list[str], engine: str = "engine.local:Local") -> int:
    """Run a command; its exit status."""
    print_any_name()
    asked = create_parser().parse_args(arguments)
    try:
        folders = {name: folder for name, folder in vars(asked).items() if name in _FOLDERS and folder}
        settings = dataclasses.replace(Settings(), **{name: expand_user(folder) for name, folder in folders.items()})
        if asked.command == "mcp":
            return _serve_mcp(settings, engine)
        if asked.command in _WITHOUT:
            return _WITHOUT[asked.command](asked, settings)
        with open_queue(settings, engine) as queue:
            return _WITH_QUEUE[asked.command](asked, queue)
    except EaselError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _serve_mcp(settings: Settings, engine: str) -> int:
    """Raises EaselError where the SDK is not installed, which is an extra."""
    try:
        from cli.mcp_server import serve_mcp
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise EaselError(_NO_MCP) from error
    return serve_mcp(settings, engine)


def create_parser() -> argparse.ArgumentParser:
    """The flags of every command."""
    parser = argparse.ArgumentParser(prog="easel", description="Make pictures from a terminal.")
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    for folder in _FOLDERS:
        shared.add_argument(f"--{folder}", type=Path, metavar="FOLDER", help=f"the {folder} folder, as for the page")
    shared.add_argument("--json", action="store_true", help="print JSON, an object a line")
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("--out", type=Path, metavar="FILE", help="also write the picture here; several get -1, -2 ...")
    output.add_argument("--force", action="store_true", help="replace files that are there")
    drawing = _create_drawing_flags()
    commands.add_parser("make", parents=[shared, output, drawing], help="draw pictures from a prompt")
    commands.add_parser("plan", parents=[shared, drawing], help="print how a picture would be made, and make none")
    larger = commands.add_parser("upscale", parents=[shared, output], help="make a picture larger")
    larger.add_argument("image", type=Path)
    larger.add_argument("--factor", type=float, default=4.0, help="how many times as wide and high (4)")
    larger.add_argument("--upscaler", help="an upscaler's name (the built-in one)")
    commands.add_parser("info", parents=[shared], help="print the settings in a picture").add_argument("image", type=Path)
    listed = commands.add_parser("list", parents=[shared], help="print checkpoints, LoRAs, samplers and the rest")
    listed.add_argument("kind", nargs="?", help="only these, such as checkpoint, lora or sampler")
    queued = commands.add_parser("jobs", parents=[shared], help="print the newest jobs, or stop one")
    queued.add_argument("--limit", type=int, default=20, help="how many (20)")
    queued.add_argument("--stop", metavar="ID", help="stop this job")
    keys = commands.add_parser("key", parents=[shared], help="keys for programs that use a locked Easel")
    keys.add_argument("action", choices=("add", "list", "revoke"))
    keys.add_argument("name", nargs="?", default="", help="what the key is called, such as the program that uses it")
    commands.add_parser("quit", parents=[shared], help="end the Easel that runs, once its picture is finished")
    commands.add_parser("mcp", parents=[shared], help="serve language models over the Model Context Protocol")
    return parser


def _create_drawing_flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(add_help=False)
    flags.add_argument("prompt", help="what to draw; - reads prompts from standard input, one a line, or CSV with a head line")
    flags.add_argument("--negative", default="", metavar="PROMPT", help="what should not be in the picture")
    flags.add_argument("--seed", type=int, help="the same seed gives the same picture (random)")
    flags.add_argument("--steps", type=int, help="denoising steps (the checkpoint's own)")
    flags.add_argument("--cfg", type=float, metavar="SCALE", help="CFG scale (the checkpoint's own)")
    flags.add_argument("--sampler", metavar="NAME", help="a sampler's name (the checkpoint's own)")
    flags.add_argument("--size", metavar="WxH", help="width and height in pixels (the checkpoint's own)")
    flags.add_argument("--count", type=int, default=1, help="how many pictures (1)")
    flags.add_argument("--checkpoint", metavar="NAME", help="a checkpoint's name (the first one)")
    return flags
