"""Runs the server: Gradio behind the request guard, with the routes for images beside it."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from api.application import ApiOrPage
from api.application import create_application as create_api
from api.context import create_context
from api.reach import Reach
from engine.errors import EaselError, first_line
from engine.jobs import Jobs
from engine.records.images.thumbnails import SCREEN, Thumbnails
from engine.settings import Settings
from ui import web_manifest
from ui.common.checkpoint_options import CheckpointOptions
from ui.compat import frontend
from ui.compat.connections import PATIENCE, PatientProtocol, PatientServer, SecureListener
from ui.compat.mounting import mount
from ui.compat.sessions import use_undescribed
from ui.compat.uploads import use_folder, use_parser
from ui.image_folders import ImageFolders
from ui.interface import create_interface
from ui.server import blob_routes, image_routes, repair_routes, scripts, words_routes
from ui.server.disconnects import Disconnects
from ui.server.encodable_bodies import EncodableBodies
from ui.server.request_guard import RequestGuard
from ui.server.root_path import RootPath
from ui.server.websockets import Streams

ANYONE = "anyone"
"""The value of ``--listen`` that lets everybody on the network in without a login."""

_HERE = Reach()
_LOCAL, _EVERYWHERE = "127.0.0.1", "0.0.0.0"
_PORTS = 100
"""How many ports are tried, starting at the wanted one, before the system chooses one."""

_WEBSOCKET_MESSAGE = 2**16
"""The most bytes of one WebSocket message from a page, which has nothing to send there."""

PING_SECONDS = 120.0
"""How long a page that is busy may take to answer a ping: a browser short of memory or CPU does so late, and loses nothing."""

_START_SECONDS, _CLOSE_SECONDS = 60, 5


class ServingError(EaselError):
    """The page could not be served."""


class Studio:
    """The running server. ``repair_wanted``: it ended because somebody pressed Repair."""

    def __init__(self, server: uvicorn.Server, listener: socket.socket, reach: Reach) -> None:
        self._server, self._listener, self.reach = server, listener, reach
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)
        self.repair_wanted = False

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """The address of the page for a browser on this machine."""
        return f"http://{_LOCAL}:{self.port}"

    def open(self) -> None:
        """Start serving. Raises ServingError if the page does not come up."""
        self._thread.start()
        waited = threading.Event()
        for _ in range(_START_SECONDS * 100):
            if self._server.started or not self._thread.is_alive():
                break
            waited.wait(0.01)
        if not self._server.started:
            raise ServingError("Easel's page could not be served. Start Easel from a terminal to see why.")

    def wait(self) -> None:
        """Block until the page is no longer served.

        Does not join the thread: before Python 3.13, a join that Ctrl+C interrupts marks the thread as ended.
        """
        while not self._ended.wait(timeout=1):
            pass

    def end(self) -> None:
        """Stop serving, so that :meth:`wait` returns."""
        self._server.should_exit = True

    def end_for_repair(self) -> None:
        """Stop serving, so that :meth:`wait` returns, because the set-up is to be repaired."""
        self.repair_wanted = True
        self.end()

    def close(self) -> None:
        """Stop serving. Open event streams are cut off, each of which uvicorn would report with a stack trace."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
        self._server.should_exit = True
        self._ended.wait(timeout=_CLOSE_SECONDS)
        self._listener.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._ended.set()


@contextmanager
def serve(
    settings: Settings, jobs: Jobs, *, port: int, listen: str | None = None, known_as: Collection[str] = (),
    origins: Collection[str] = (), root_path: str = "", tls: tuple[Path, Path] | None = None,
) -> Generator[Studio]:  # fmt: skip
    """Serve the page and the API at ``port`` or the next free one while the block runs.

    ``listen`` is None for this machine alone, ``"user:password"`` for the network, or :data:`ANYONE`. ``known_as`` are further
    names of this machine, ``origins`` the addresses of other pages that may use the API, ``root_path`` the path under which a
    reverse proxy serves Easel. ``tls``, the files of a certificate and its key, encrypts what other computers see: they then have
    a port of their own, the next free one. Raises ServingError for another ``listen``, for files that cannot be used, or if no
    port is free.
    """
    login, encryption = _read_login(listen), _read_encryption(tls, listen)
    _ask_launcher_for_its_port()
    listener = _open_listener(_EVERYWHERE if listen and encryption is None else _LOCAL, port)
    own_port, secure = listener.getsockname()[1], None
    if encryption is not None:
        secure = SecureListener(_open_listener(_EVERYWHERE, own_port + 1), encryption)
    secure_port = secure.socket.getsockname()[1] if secure else 0
    reach = Reach(own_port, root_path, on_network=listen is not None, has_login=login is not None, secure_port=secure_port)
    application = create_application(settings, jobs, reach)
    routes = EncodableBodies(create_api(create_context(settings, jobs, reach)))
    page = RequestGuard(
        ApiOrPage(routes, Streams(application)), login=login, open_to_network=listen is not None, data=settings.data,
        known_as=known_as, origins=origins,
    )  # fmt: skip
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every upload that is cut off
    studio = Studio(PatientServer(_configure(page, root_path), secure), listener, reach)
    application.router.routes.insert(0, repair_routes.create_route(studio.end_for_repair))
    application.router.routes.insert(0, repair_routes.create_quit_route(jobs.finish_running, studio.end))
    try:
        studio.open()
        yield studio
    finally:
        studio.close()


def _read_encryption(tls: tuple[Path, Path] | None, listen: str | None) -> ssl.SSLContext | None:
    """What encrypts connections, None for nothing. Raises ServingError for files that are no certificate with its key."""
    if tls is None:
        return None
    if listen is None:
        raise ServingError("--tls encrypts what other computers see, and none is let in: add --listen, or leave --tls out.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(*tls, password=_ask_no_password)
    except (OSError, ValueError) as error:
        raise ServingError(
            f"“{tls[0]}” and “{tls[1]}” cannot be used as a certificate and its key ({first_line(error)}). "
            "Both are PEM files, and the key must be that of the certificate and have no password."
        ) from error
    return context


def _ask_no_password() -> str:
    """For a key with a password: OpenSSL would ask for it in the terminal."""
    return ""


def _configure(page: ASGIApp, root_path: str) -> uvicorn.Config:
    """How uvicorn serves ``page``."""
    return uvicorn.Config(
        RootPath(Disconnects(page), root_path) if root_path else Disconnects(page),
        http=PatientProtocol,
        ws_max_size=_WEBSOCKET_MESSAGE,
        ws_ping_interval=PATIENCE / 2,
        ws_ping_timeout=PING_SECONDS,
        log_level="error",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=30,
    )


def create_application(settings: Settings, jobs: Jobs, reach: Reach = _HERE) -> FastAPI:
    """The application with the page and its images, without the request guard."""
    use_folder(settings.data / "uploads")
    use_parser()
    use_undescribed()
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(EncodableBodies)
    images, drafts = ImageFolders(settings.outputs, settings.data), ImageFolders(settings.drafts)
    shown = image_routes.create_route(images.find), image_routes.create_route(drafts.find, image_routes.DRAFTS)
    app.router.routes += [
        *frontend.create_routes(),
        scripts.create_route(),
        *shown,
        *blob_routes.create_routes(settings.data / "blobs"),
    ]
    small = Thumbnails(settings.data / "thumbnails")
    app.router.routes.append(image_routes.create_thumbnails_route(images.find, small))
    app.router.routes.append(image_routes.create_thumbnails_route(images.find, small, image_routes.REDUCED, SCREEN))
    known = CheckpointOptions(settings)
    app.router.routes += words_routes.create_routes(settings, known) + web_manifest.create_routes()
    return mount(app, create_interface(settings, jobs, known, reach), reach.root_path)


def _read_login(listen: str | None) -> str | None:
    """The login in the value of ``--listen``; None if it asks for none. Raises ServingError for a malformed one."""
    if listen is None or listen == ANYONE:
        return None
    user, _, password = listen.partition(":")
    if not user or not password:
        raise ServingError(
            f"--listen takes the name that other computers log in with (--listen USER), or the word “{ANYONE}” to let everybody "
            "in without a password."
        )
    return listen


def _ask_launcher_for_its_port() -> None:
    """Ask the launcher, which serves its progress page on the wanted port, to free it."""
    address = os.environ.get("EASEL_LAUNCHER")
    if address:
        try:
            request = urllib.request.Request(address, method="POST")
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()
        except (urllib.error.URLError, OSError):
            # The launcher is gone: its port is free, or the next one is used.
            return


def _open_listener(host: str, port: int) -> socket.socket:
    """A socket bound to the first free port from ``port`` on."""
    for candidate in [*range(port, min(port + _PORTS, 65536)), 0]:
        # asyncio sends at once (TCP_NODELAY) only where the protocol is named; without, each answer waits 40 ms on Linux.
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        if os.name != "nt":
            # On Windows the same flag would let two programs share the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            return listener
        except OSError:
            listener.close()
    raise ServingError("No port is free for Easel's page. Close some programs, or name a port with --port.")
