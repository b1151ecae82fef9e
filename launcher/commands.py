"""Runs other programs: every line is shown, and a failure is raised as a sentence."""

from __future__ import annotations

import os
import subprocess
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from launcher.process.ending import hold_signals
from launcher.process.variables import SETUP, choose_variables
from launcher.progress import Progress
from launcher.setup_errors import explain_output


def build_environment(process: str = SETUP, **more: str) -> dict[str, str]:
    """The variables for a program that the launcher starts, see :mod:`launcher.process.variables`."""
    return choose_variables(process, os.environ, **more)


def read_lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """The program's output line by line as it comes. A consumer that stops early ends the program."""
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
    """Start a program with output and errors in one pipe, as UTF-8, and no input.

    ``apart``: Ctrl+C in the terminal does not reach it (POSIX only), its standard input ends when this process does, and it
    installs an :class:`launcher.process.ending.Ending`.
    """
    with hold_signals() if apart else nullcontext():
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=str(cwd),
            env=variables,
            stdin=subprocess.PIPE if apart else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
            start_new_session=apart and os.name != "nt",
        )


def run(command: Sequence[str | Path], cwd: Path, progress: Progress, process_kind: str = SETUP) -> list[str]:
    """Run to the end and return the output; each line is also told to ``progress``. Raises
    :class:`launcher.setup_errors.SetupError`."""
    progress.log_line("$ " + " ".join(str(part) for part in command))
    try:
        process = start_process(command, cwd, build_environment(process_kind))
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


@dataclass(frozen=True)
class ProgramOutput:
    """What a program printed, and whether it ended without an error."""

    text: str
    succeeded: bool


def read_answer(command: Sequence[str | Path], seconds: float = 20) -> ProgramOutput | None:
    """What a program prints, also if it fails; None if it is missing or takes too long."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=build_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ProgramOutput(done.stdout.decode("utf-8", "replace").strip(), done.returncode == 0)


def read_output(command: Sequence[str | Path], seconds: float = 20) -> str | None:
    """What a program prints, or None if it is missing, fails or takes too long."""
    answer = read_answer(command, seconds)
    return answer.text if answer is not None and answer.succeeded else None
