"""Easel's entry point: command line -> Settings -> engine -> page."""

from __future__ import annotations

from launcher.process.ending import Ending, end_with_parent

if __name__ == "__main__":
    Ending().install()  # before the other imports, so that Ctrl+C during them is not an error

import argparse
import dataclasses
import os
import sys
import webbrowser
from pathlib import Path
from typing import Any, cast

from launcher.process import password
from launcher.process.repair import EXIT_STATUS
from launcher.process.variables import STUDIO, choose_variables

if __name__ == "__main__":
    # Before the imports: they take seconds, and Gradio creates HTTP clients in them that other programs' proxies would stop.
    if "EASEL_LAUNCHER" in os.environ:
        end_with_parent()
    chosen = choose_variables(STUDIO, os.environ)
    os.environ.clear()
    os.environ.update(chosen)

from api.reach import read_root_path
from cli import COMMANDS
from engine import DTYPES, VERSION, Jobs, Settings, claim
from engine.errors import EaselError
from engine.safe_text import print_any_name
from engine.settings import expand_user


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags, each in the README."""
    flags = argparse.ArgumentParser(prog="easel", description="Make pictures with Stable Diffusion on your own computer.")
    flags.add_argument("--port", type=int, default=7860, help="port of the page; the next free one is taken if it is busy (7860)")
    flags.add_argument("--no-browser", action="store_true", help="do not open the page in the browser")
    flags.add_argument(
        "--listen",
        metavar="USER",
        help="let other computers on your network in, as this user with a password, which comes from --password-file, from the "
        "environment variable EASEL_PASSWORD or from the terminal ('anyone' instead lets everybody in without one)",
    )
    flags.add_argument("--password-file", metavar="FILE", help="file whose first line is the password for --listen")
    flags.add_argument(
        "--known-as",
        action="append",
        default=[],
        metavar="NAME",
        help="also answer under this name (host.docker.internal)",
    )
    flags.add_argument(
        "--api-allow-origin", action="append", default=[], metavar="URL", help="let the web page at this address use the API"
    )
    flags.add_argument(
        "--root-path", default="", metavar="PATH", help="the path at which a reverse proxy serves Easel, such as /studio"
    )
    flags.add_argument(
        "--tls",
        nargs=2,
        type=Path,
        metavar=("CERT", "KEY"),
        help="encrypt what other computers see, by this certificate",
    )
    flags.add_argument("--models", type=Path, metavar="FOLDER", help="where your checkpoints are (models)")
    flags.add_argument("--outputs", type=Path, metavar="FOLDER", help="where pictures are saved (outputs)")
    flags.add_argument("--data", type=Path, metavar="FOLDER", help="where the queue and caches are kept, on a local disk")
    flags.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps or xpu (auto)")
    flags.add_argument("--precision", choices=("auto", *DTYPES), help="precision of the checkpoint's weights (auto)")
    flags.add_argument("--version", action="version", version=f"Easel {VERSION}")
    return flags.parse_args(arguments)


def settings_from(flags: argparse.Namespace) -> Settings:
    """Flags override the defaults of :class:`Settings`."""
    named = {f.name: getattr(flags, f.name, None) for f in dataclasses.fields(Settings)}
    given = {name: expand_user(value) if isinstance(value, Path) else value for name, value in named.items() if value}
    return Settings(**cast(dict[str, Any], given))


def main(arguments: list[str]) -> int:
    """Run the studio until the window that started it closes or Ctrl+C is pressed."""
    if arguments[:1] and arguments[0] in COMMANDS:
        from cli.main import main as run_command

        return run_command(arguments)
    print_any_name()
    flags = parse(arguments)
    # The processes that Easel starts do not inherit it.
    known = os.environ.pop(password.VARIABLE, None)
    settings, root_path = settings_from(flags), read_root_path(flags.root_path)
    with claim(settings.data) as claimed:
        if claimed.url is not None:
            return announce(claimed.url, flags.no_browser)
        listen = find_login(flags.listen, flags.password_file, known)
        os.environ["GRADIO_TEMP_DIR"] = str(settings.data / "uploads")  # read when Gradio is imported
        from ui.server.serve import serve

        others = {"known_as": flags.known_as, "origins": flags.api_allow_origin, "root_path": root_path}
        tls = (flags.tls[0], flags.tls[1]) if flags.tls else None
        with (
            Jobs(settings) as jobs,
            serve(settings, jobs, port=flags.port, listen=listen, tls=tls, **others) as studio,
        ):
            for trouble in jobs.troubles:
                print(trouble)
            if studio.port != flags.port:
                print(f"Port {flags.port} is busy, so Easel takes {studio.port}.")
            claimed.publish_url(studio.url)
            announce(studio.url, flags.no_browser)
            if address := studio.reach.find_network_url():
                print(f"Other computers on your network find it at {address}", flush=True)
            studio.wait()
    return EXIT_STATUS if studio.repair_wanted else 0


def find_login(listen: str | None, file: str | None, known: str | None) -> str | None:
    """The login that --listen requires: ``user:password``, ``anyone``, or None for this computer alone (also if no password
    was found).

    ``known`` is the value of EASEL_PASSWORD.
    """
    if listen is None or listen == password.ANYONE:
        return listen
    user, _, given = listen.partition(":")
    if given or not user:
        print(password.ON_THE_COMMAND_LINE, flush=True)
        return listen
    try:
        return f"{user}:{password.find_password(user, file, known)}"
    except password.NoPassword as error:
        print(error, flush=True)
        return None


def announce(url: str, quiet: bool) -> int:
    """Print Easel's address on a line of its own, and open it in a browser."""
    print(f"Easel is at {url}", flush=True)
    if not quiet:
        webbrowser.open(url)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except EaselError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(0)
