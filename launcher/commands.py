"""Runs other programs: every line is shown, and a failure comes back as a sentence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterator, Sequence

from launcher.progress import Progress
from launcher.setup_errors import explain_output

# Another environment's variables would leak into ours.
DROPPED = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__", "UV_PYTHON")
# What people have set for pip is meant for every installer.
CARRIED = (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_CERT", "SSL_CERT_FILE"))
FIXED = {"PIP_USER": "0", "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}


def build_environment(**more: str) -> dict[str, str]:
    """The variables for a program that the set-up starts."""
    variables = {name: value for name, value in os.environ.items() if name not in DROPPED}
    for ours, theirs in CARRIED:
        if ours in variables:
            variables.setdefault(theirs, variables[ours])
    return {"UV_HTTP_TIMEOUT": "60", **variables, **FIXED, **more}


def read_lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """The program's output line by line as it comes. A consumer that goes away early ends the program."""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            yield line.rstrip()
        process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


def start_process(
    command: Sequence[str | Path], cwd: Path, variables: dict[str, str], apart: bool = False
) -> subprocess.Popen[str]:
    """Output and errors in one pipe, as UTF-8; nothing to type in.

    ``apart``: Ctrl+C in the terminal does not reach it (POSIX only).
    """
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=str(cwd),
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        bufsize=1,
        start_new_session=apart,
    )


def run(command: Sequence[str | Path], cwd: Path, progress: Progress) -> list[str]:
    """Run to the end and return the output; each line is also told to ``progress``. Raises
    :class:`launcher.setup_errors.SetupError`."""
    progress.log_line("$ " + " ".join(str(part) for part in command))
    try:
        process = start_process(command, cwd, build_environment())
    except OSError as error:
        raise explain_output([str(error)]) from error
    lines = []
    for line in read_lines(process):
        lines.append(line)
        progress.log_line(line)
    if process.returncode == -9:
        lines.append("killed")
    if process.returncode != 0:
        raise explain_output(lines)
    return lines


def read_output(command: Sequence[str | Path], seconds: float = 20) -> str | None:
    """What a program prints, or None when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=build_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()
