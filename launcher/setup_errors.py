"""What can go wrong during set-up, explained for the user. A table: pattern in a tool's output -> sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable


class SetupError(Exception):
    """``what`` happened and what to do ``then``: one or two sentences each. ``kind`` names the row of the table."""

    def __init__(self, what: str, then: str, kind: str = "") -> None:
        super().__init__(f"{what} {then}")
        self.what, self.then, self.kind = what, then, kind


@dataclass(frozen=True)
class ErrorPattern:
    """One row: the first whose ``pattern`` is found in a tool's output names the failure."""

    kind: str
    pattern: str
    what: str
    then: str


PATTERNS = (
    ErrorPattern(
        "disk",
        r"no space left on device|os error 28\b|not enough space on the disk|os error 112\b|disk quota exceeded",
        "The disk is full.",
        "Free some space (the set-up needs about 8 GB with a graphics card, about 3 GB without), then try again. "
        "Parts that were already downloaded are kept.",
    ),
    ErrorPattern(
        "certificate",
        r"invalid peer certificate|unknownissuer|certificate_verify_failed|self.signed certificate",
        "Something between this computer and the internet (a company network, a virus scanner) shows its own certificate.",
        "Set the environment variable UV_SYSTEM_CERTS to true, or SSL_CERT_FILE to that certificate's file, and try again.",
    ),
    ErrorPattern(
        "proxy",
        r"proxy authentication required|\b407\b",
        "The proxy of this network requires a user name and a password.",
        "Put them into the environment variable HTTPS_PROXY (http://name:password@host:port) and try again.",
    ),
    ErrorPattern(
        "damaged",
        r"hash mismatch|invalid zip|checksum|corrupt|unexpected end of (file|data)|bad crc",
        "A download arrived damaged.",
        "Try again; if it happens twice, press Repair.",
    ),
    ErrorPattern(
        "network",
        r"dns error|failed to lookup address|getaddrinfo failed|name or service not known|temporary failure in name resolution"
        r"|error sending request|could not connect|network is unreachable|tcp connect error|connection (refused|reset|aborted)"
        r"|timed? ?out|no route to host|failed to establish a new connection|remote end closed|urlopen error"
        r"|failed to (fetch|download)|could not fetch url|no matching distribution found for uv",
        "The internet could not be reached, and the first start has to download Easel's parts.",
        "Check the connection (and the proxy, if your network has one), then try again. Once set up, Easel works offline.",
    ),
    ErrorPattern(
        "python",
        r"no interpreter found|no python .*found|no download found for request|python downloads are",
        "Python 3.11 or newer was not found on this computer and could not be downloaded.",
        "Install Python 3.12 from python.org (Linux: your package manager) and start Easel again.",
    ),
    ErrorPattern(
        "build",
        r"no wheels|no usable wheel|no solution found|no matching distribution|building source distributions is disabled"
        r"|not a supported wheel",
        "One of Easel's parts is not published for this computer: its processor, system version or Python is too old or too new.",
        "Easel needs a 64-bit system; on a Mac one with an Apple chip. If your Python is unusual, installing Python "
        "3.12 and starting again helps.",
    ),
    ErrorPattern(
        "read-only",
        r"read-only file system|os error 30\b",
        "Easel's folder is on a disk that cannot be written to.",
        "Copy the folder to a place of your own, such as your home folder, and start it there.",
    ),
    ErrorPattern(
        "in use",
        r"being used by another process|os error 32\b|text file busy|os error 26\b",
        "A file of Easel's environment is in use, probably by an Easel that is still running.",
        "Close it and try again.",
    ),
    ErrorPattern(
        "long path",
        r"os error 206\b|file name too long|os error 36\b|filename or extension is too long",
        "Easel's folder is nested so deeply that file names become too long for this system.",
        "Move the folder to a shorter path, such as C:\\Easel, and start it there.",
    ),
    ErrorPattern(
        "permission",
        r"permission denied|os error 13\b|access is denied|os error 5\b|operation not permitted",
        "Easel may not write to a folder that it needs.",
        "Move Easel to a folder of your own, such as your home folder, or give yourself the right to write there.",
    ),
    ErrorPattern(
        "in the way",
        r"\berrno (17|20|21)\]",
        "A file or folder is in the way where Easel keeps its set-up.",
        "Delete the folders .launch and .venv in Easel's folder and start it again; nothing of yours is in them.",
    ),
    ErrorPattern(
        "memory",
        r"cannot allocate memory|memoryerror|out of memory|\bkilled\b",
        "The computer ran out of memory during the set-up.",
        "Close other programs and try again.",
    ),
)

UNKNOWN = ErrorPattern(
    "unknown",
    "",
    "The set-up stopped on an error that Easel does not know.",
    "Try again; if it fails again, press Repair. The last lines of the log below say more.",
)


def explain_output(lines: Iterable[str]) -> SetupError:
    """The failure found in a tool's output: the first matching row of the table."""
    text = "\n".join(lines)
    found = next((row for row in PATTERNS if re.search(row.pattern, text, re.I)), UNKNOWN)
    return SetupError(found.what, found.then, found.kind)
