"""What a phone or a browser needs to keep the page as an app: ``GET /manifest.webmanifest``, and the icons that it names."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ui import messages, theme

PATH = "/manifest.webmanifest"
ICONS = "/icons"
SIDES = (192, 512)
"""Sides in pixels of the icons; each has room around its drawing, so that a phone may cut its corners off."""

_FOLDER = Path(__file__).parent / "icons"
_COLOUR = theme.PAPER.c50


def create_routes() -> list[Route]:
    """The routes of the manifest and its icons."""
    return [Route(PATH, _show_manifest), Route(f"{ICONS}/{{name}}", _show_icon)]


def render_links() -> str:
    """The elements for the page's head. The manifest is fetched with the login, where there is one."""
    manifest, icon = PATH.lstrip("/"), f"{ICONS}/{SIDES[0]}.png".lstrip("/")
    links = f'<link rel="manifest" href="{manifest}" crossorigin="use-credentials"><link rel="apple-touch-icon" href="{icon}">'
    return f'{links}<meta name="theme-color" content="{_COLOUR}">'


async def _show_manifest(_request: Request) -> Response:
    # Addresses relative to this one, so that the page may lie below another path.
    icons = [
        {"src": f"{ICONS}/{side}.png".lstrip("/"), "sizes": f"{side}x{side}", "type": "image/png", "purpose": purpose}
        for side in SIDES
        for purpose in ("any", "maskable")
    ]
    manifest = {
        "name": messages.TITLE, "short_name": messages.TITLE, "description": messages.TAGLINE, "start_url": ".",
        "display": "standalone", "background_color": _COLOUR, "theme_color": _COLOUR, "icons": icons,
    }  # fmt: skip
    return JSONResponse(manifest, media_type="application/manifest+json")


async def _show_icon(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in [f"{side}.png" for side in SIDES]:
        raise HTTPException(404)
    return FileResponse(_FOLDER / name, headers={"Cache-Control": "public, max-age=86400"})
