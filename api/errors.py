"""Errors in the shape that each program's clients read. Each is one sentence for the person behind the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from engine.errors import KINDS, CheckpointError, EaselError, ImageError, ImageWithheld, OutputError, RequestError
from engine.events import Failed
from engine.json_values import JsonObject
from engine.safe_text import make_encodable

FAULT = "Easel met an error that it does not know. The picture could not be made; look at the window in which Easel runs."
NO_ROUTE = "Easel has no such address. The list of those that it has is at /docs."
WRONG_METHOD = "This address does not take requests of this kind. What it takes is at /docs."


class NotFound(RequestError):
    """A request names something that is not here."""


_STATUS: Mapping[type[EaselError], int] = {
    NotFound: 404,
    RequestError: 422,
    ImageError: 422,
    ImageWithheld: 422,
    CheckpointError: 422,
    OutputError: 507,
}
"""Error -> HTTP status, for the nearest class of an error; 500 for the others."""


def find_status(error: EaselError) -> int:
    """The HTTP status of an error."""
    return next((_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS), 500)


def as_error(failed: Failed) -> EaselError:
    """A job's failure as the error that it was."""
    return KINDS.get(failed.kind, EaselError)(failed.message)


def describe_validation(error: RequestValidationError) -> tuple[str, str]:
    """The name of the first field with a value that cannot be read, and a sentence on it."""
    for each in error.errors():
        where = ".".join(str(part) for part in each["loc"] if part not in ("body", "query", "path"))
        said = str(each["msg"]).removeprefix("Value error, ")
        return where, f"“{where}” cannot be used: {said}." if where else f"The request cannot be read: {said}."
    return "", "The request cannot be read."


def _write_a1111(status: int, kind: str, message: str, field: str) -> JsonObject:
    return {"error": kind, "detail": message, "body": "", "errors": message}


_CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}


def _write_openai(status: int, kind: str, message: str, field: str) -> JsonObject:
    written = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": written, "param": field or None, "code": _CODES.get(status)}}


def _write_own(status: int, kind: str, message: str, field: str) -> JsonObject:
    return {"error": {"kind": kind, "message": message, "field": field or None}}


_SHAPES: Mapping[str, Callable[[int, str, str, str], JsonObject]] = {
    "/sdapi/": _write_a1111, "/controlnet/": _write_a1111, "/queue/": _write_a1111, "/v1/": _write_openai,
}  # fmt: skip
"""Beginning of a path -> how its errors are written; Easel's own shape for the others."""


def write_error(path: str, status: int, message: str, kind: str = "", field: str = "") -> JSONResponse:
    """The answer at ``path`` for an error."""
    shape = next((write for start, write in _SHAPES.items() if path.startswith(start)), _write_own)
    if shape is _write_openai and status == 422:
        status = 400  # what OpenAI answers, and its clients expect
    return JSONResponse(shape(status, kind or "Error", make_encodable(message), field), status_code=status)


def handle_errors(app: FastAPI) -> None:
    """Let ``app`` answer every error in the shape of the route."""

    async def on_easel_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, EaselError)
        return write_error(request.url.path, find_status(error), str(error), error.kind)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        field, message = describe_validation(error)
        return write_error(request.url.path, 422, message, "RequestError", field)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = {404: NO_ROUTE, 405: WRONG_METHOD}.get(error.status_code, str(error.detail))
        answer = write_error(request.url.path, error.status_code, message, "HTTPException")
        answer.headers.update(error.headers or {})
        return answer

    async def on_fault(request: Request, error: Exception) -> Response:
        return write_error(request.url.path, 500, FAULT)

    app.add_exception_handler(EaselError, on_easel_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_fault)
