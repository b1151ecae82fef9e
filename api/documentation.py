"""The interactive documentation at ``/docs``, from files that a package brings: the page asks no other computer."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

PATH, FILES, DESCRIPTION = "/docs", "/docs-files", "/openapi.json"

_NO_VALIDATOR = {"validatorUrl": None}
"""Swagger UI would otherwise send the address of the description to a service that checks it."""


def add_documentation(app: FastAPI) -> None:
    """Serve the documentation of ``app``'s routes."""

    async def show() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=DESCRIPTION.removeprefix("/"),
            title=app.title,
            swagger_js_url=f"{FILES.removeprefix('/')}/swagger-ui-bundle.js",
            swagger_css_url=f"{FILES.removeprefix('/')}/swagger-ui.css",
            swagger_favicon_url=f"{FILES.removeprefix('/')}/favicon-32x32.png",
            swagger_ui_parameters=_NO_VALIDATOR,
        )

    app.add_api_route(PATH, show, include_in_schema=False)
    app.mount(FILES, StaticFiles(directory=str(swagger_ui_path)), name="docs-files")
