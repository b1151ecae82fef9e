"""The official client of the Model Context Protocol, which starts ``mcp`` as language models' programs do."""

from __future__ import annotations

import io
import subprocess
import sys
from base64 import b64decode
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, ImageContent, TextContent
from PIL import Image

from engine.jobs import claim
from engine.requests import ImageToImage
from tests.api.images import PICTURE, encode
from tests.api.serving import SCRIPTED, Served

HOUSE = Path(__file__).parents[2]
START = "import sys; from cli.main import main; engine = sys.argv.pop(); sys.exit(main(sys.argv[1:], engine))"
"""A command, with the engine that makes its pictures as the last word."""


def command(data: Path, outputs: Path) -> list[str]:
    return ["-c", START, "mcp", "--data", str(data), "--outputs", str(outputs), SCRIPTED]


def run(data: Path, outputs: Path, talk: Callable[[Client], Awaitable[None]]) -> None:
    """Start the server and let ``talk`` use it."""

    async def go() -> None:
        server = StdioServerParameters(command=sys.executable, args=command(data, outputs), cwd=HOUSE)
        async with Client(server, read_timeout_seconds=120) as client:
            await talk(client)

    anyio.run(go)


def picture(result: CallToolResult) -> Image.Image:
    assert not result.is_error, result.content
    (shown,) = [each for each in result.content if isinstance(each, ImageContent)]
    return Image.open(io.BytesIO(b64decode(shown.data)))


def text(result: CallToolResult) -> str:
    return " ".join(each.text for each in result.content if isinstance(each, TextContent))


def test_nothing_but_the_protocol_comes_out() -> None:
    """What the server, a library or a child process prints goes to standard error."""
    code = (
        "import os, subprocess, sys, engine.settings as s, cli.mcp_server as m; server = m.create_server(s.Settings(), '');\n"
        "@server.tool()\n"
        "def speak() -> str:\n    print('x'); os.write(1, b'y'); subprocess.run(['echo', 'z']); return 'said'\n"
        "server.run('stdio')"
    )

    async def go() -> None:
        server = StdioServerParameters(command=sys.executable, args=["-c", code], cwd=HOUSE)
        async with Client(server, read_timeout_seconds=120, message_handler=refuse) as client:
            assert "said" in text(await client.call_tool("speak", {}))

    async def refuse(message: object) -> None:
        assert not isinstance(message, Exception), message

    anyio.run(go)


def test_every_tool_works_through_the_easel_that_runs(served: Served, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(PICTURE)
    (tmp_path / "mask.png").write_bytes(encode(Image.new("L", (32, 24), 255)))
    steps: list[float] = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        steps.append(done)

    async def talk(client: Client) -> None:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"make", "edit", "upscale", "read_settings", "list_models"}
        asked = {"prompt": "a cat", "seed": 3, "width": 64, "height": 72}
        made = await client.call_tool("make", asked, progress_callback=note)
        assert picture(made).size == (64, 72) and "seed 3" in text(made) and steps
        shown = await client.call_tool(
            "edit", {"image": str(tmp_path / "in.png"), "mask": str(tmp_path / "mask.png"), "prompt": "x"}
        )
        assert picture(shown)
        request = served.jobs.jobs(limit=1)[0].request
        assert isinstance(request, ImageToImage) and request.mask_image and request.strength == 1.0
        assert picture(await client.call_tool("upscale", {"image": str(tmp_path / "in.png"), "factor": 2}))
        (saved,) = [each.path for each in served.jobs.jobs(limit=3)[-1].results]
        assert "a cat" in text(await client.call_tool("read_settings", {"image": str(saved)}))
        assert "starter" in text(await client.call_tool("list_models", {"kind": "checkpoint"}))
        for tool, wrong in {
            "make": {"prompt": "x", "steps": 0},
            "upscale": {"image": "none.png"},
            "read_settings": {"image": "no"},
        }.items():
            refused = await client.call_tool(tool, wrong)
            assert refused.is_error and text(refused).strip().endswith(".") and "Traceback" not in text(refused)

    with claim(served.settings.data) as claimed:
        claimed.publish_url(served.url)
        run(served.settings.data, served.settings.outputs, talk)


def test_without_one_it_draws_in_its_own_process(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        assert picture(await client.call_tool("make", {"prompt": "a cat"}))

    run(tmp_path / "data", tmp_path / "outputs", talk)


def test_without_the_extra_a_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.modules['mcp'] = None; from cli.main import main; sys.exit(main(['mcp']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True)
    assert done.returncode == 1 and "--extra mcp" in done.stderr and done.stdout == ""
