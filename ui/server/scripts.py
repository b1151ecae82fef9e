"""The page's scripts: ES modules that lie beside the Python modules that use them, served unchanged.

Their URLs contain a hash of all scripts, so browsers can cache them for ever and never mix two versions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parent.parent
PREFIX = "scripts"
ENTRY = "page.js"


@cache
def read_scripts() -> Mapping[str, bytes]:
    """The content of every script by its path inside ``ui/``."""
    return {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in sorted(FOLDER.rglob("*.js"))}


@cache
def compute_version() -> str:
    """A hash of all scripts, in hexadecimal."""
    digest = hashlib.sha256()
    for name, content in read_scripts().items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def locate(name: str) -> str:
    """The URL of a script, relative to the page."""
    return f"{PREFIX}/{compute_version()}/{name}"


def render_head() -> str:
    """The element for the page's head that loads the scripts, except those of the server, which are inlined. Announcing each of
    them beforehand would let them come before Gradio's own, without which the page shows nothing."""
    return f'<script type="module" src="{locate(ENTRY)}"></script>'


def on_load(name: str, events: Sequence[str]) -> str:
    """The ``js_on_load`` of a ``gr.HTML`` component whose behaviour is the script's ``mount(element, trigger, events)``.

    Gradio lets a component trigger those events whose quoted names it finds in this text.
    """
    source, names = json.dumps(locate(name)), json.dumps(list(events))
    return f"import(new URL({source}, document.baseURI)).then((script) => script.mount(element, trigger, {names}));"


def create_route() -> Route:
    """``GET /scripts/<version>/<path inside ui/>``."""
    return Route(f"/{PREFIX}/{{version}}/{{name:path}}", _serve)


async def _serve(request: Request) -> Response:
    content = read_scripts().get(request.path_params["name"])
    if content is None:
        raise HTTPException(404)
    current = request.path_params["version"] == compute_version()
    caching = "public, max-age=31536000, immutable" if current else "no-store"
    return Response(content, media_type="text/javascript", headers={"Cache-Control": caching})
