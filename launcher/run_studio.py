"""Starts the studio, hands over the progress page's port and passes on its output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import Callable, Mapping, Sequence

from launcher.commands import build_environment, start_process
from launcher.folder import Folder
from launcher.process.variables import STUDIO
from launcher.progress import Progress
from launcher.progress_page import ProgressPage
from launcher.setup_errors import SetupError, explain_output

ADDRESS = re.compile(r"^Easel is at (http\S+)")
"""The line that app.py prints once it can be opened, or once it has found that an Easel is already running."""

TIMEOUT = 15.0
"""Seconds that the studio has to shut down."""

KNOWN_KINDS = ("disk", "memory", "permission", "read-only", "in use")
"""Errors in a stack trace of the studio that the table in setup_errors explains."""


def run_studio(
    folder: Folder,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    page: ProgressPage,
    progress: Progress,
    on_ready: Callable[[], None],
) -> int:
    """The studio's exit status. ``variables`` are set for it; ``on_ready`` is called when it can be opened.

    Raises :class:`SetupError` when the studio ended before that; the page is open then, at the same address if possible.
    """
    progress.start_phase("start")
    command = [folder.python, "-u", folder.root / "app.py", *arguments, "--port", str(page.port), "--no-browser"]
    environment = build_environment(STUDIO, **variables, EASEL_LAUNCHER=page.handover)
    process = start_process(command, folder.root, environment, apart=True)
    try:
        said = read_studio(process, progress, on_ready)
    except KeyboardInterrupt:
        stop_studio(process)
        return 0
    if progress.address is None:
        if not page.is_open:
            page.open(page.port)
        raise explain_failure(said)
    return process.returncode


def read_studio(process: subprocess.Popen[str], progress: Progress, on_ready: Callable[[], None]) -> list[str]:
    """Pass the studio's lines on until it ends; returns the last ones before its address."""
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        if progress.address is None:
            said = [*said[-50:], line.rstrip()]
            progress.log_line(said[-1])
            found = ADDRESS.match(line)
            if found:
                progress.address = found.group(1)
                on_ready()
        print(line, end="", flush=True)
    process.wait()
    return said


def stop_studio(process: subprocess.Popen[str]) -> None:
    """Interrupt the studio as Ctrl+C does (on Windows it already received that), and kill it if it takes too long."""
    if os.name != "nt" and process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        print(process.communicate(timeout=TIMEOUT)[0], end="", flush=True)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def explain_failure(said: list[str]) -> SetupError:
    """The studio's own last sentence if it ended with one; a stack trace is for the log."""
    words = [line for line in said if line.strip()]
    if words and not any(line.startswith("Traceback") for line in words):
        return SetupError("Easel could not start.", words[-1], "studio")
    known = explain_output(words)
    if known.kind in KNOWN_KINDS:
        return known
    return SetupError(
        "Easel could not start.", "Press Repair to install its parts again. The log below says what happened.", "studio"
    )
