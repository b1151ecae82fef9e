"""The password that other computers must give. It comes from a file, from EASEL_PASSWORD or from the terminal.

Not from the command line: every user of the computer can read that in the list of processes.
"""

from __future__ import annotations

import argparse
import getpass
import os
import stat
import sys
from typing import Dict, List, Mapping, Optional, Tuple

ANYONE = "anyone"
"""What ``--listen`` takes instead of a name to let everybody on the network in."""

VARIABLE = "EASEL_PASSWORD"

LONGEST = 1024
"""Bytes of a password file that are read."""

ATTEMPTS = 3
"""How often to ask again if the two entries differ."""


ON_THE_COMMAND_LINE = (
    "Every user of this computer can read a password on the command line. Use --listen USER with --password-file or the "
    f"environment variable {VARIABLE} instead."
)


class NoPassword(Exception):
    """No password was found; the text says why and what to do."""


def hand_over_password(arguments: List[str], variables: Mapping[str, str]) -> Tuple[List[str], Dict[str, str]]:
    """The studio's arguments and variables from those of the launcher: the password is found here and handed over as a variable.

    The studio has no terminal of its own and runs in another folder. Without a password it does not listen on the network.
    """
    flags = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flags.add_argument("--listen")
    flags.add_argument("--password-file")
    asked, rest = flags.parse_known_args(arguments)
    user, _, given = (asked.listen or "").partition(":")
    if not user or given or user == ANYONE:
        return arguments, {}
    try:
        return [*rest, "--listen", user], {VARIABLE: find_password(user, asked.password_file, variables.get(VARIABLE))}
    except NoPassword as error:
        print(error, flush=True)
        return rest, {}


def find_password(user: str, file: Optional[str], variable: Optional[str]) -> str:
    """The password of ``user``: the first line of ``file``, or ``variable``, the value of EASEL_PASSWORD, or asked for.

    Raises NoPassword if the first of these that is there is empty or cannot be read, or if there is no terminal.
    """
    if file is not None:
        return read_password_file(file)
    if variable is not None:
        return check_password(variable, f"the environment variable {VARIABLE} is empty")
    if not has_terminal():
        raise NoPassword(describe(f"there is no password for “{user}” and no terminal to ask for one"))
    return ask_password(user)


def read_password_file(file: str) -> str:
    """The first line. A file that other users can read is named in a warning. Raises NoPassword."""
    try:
        with open(os.path.expanduser(file), "rb") as stream:
            status = os.fstat(stream.fileno())
            line = stream.readline(LONGEST).rstrip(b"\r\n").decode("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise NoPassword(describe(f"the password file “{file}” cannot be read ({reason})")) from error
    if os.name != "nt" and stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        print(f"Other users of this computer can read the password file “{file}”. To prevent that, run: chmod 600 “{file}”")
    return check_password(line, f"the first line of the password file “{file}” is empty")


def check_password(password: str, otherwise: str) -> str:
    """``password``. Raises NoPassword, with the reason ``otherwise``, for an empty one."""
    if not password.strip():
        raise NoPassword(describe(otherwise))
    return password


def describe(reason: str) -> str:
    return (
        f"Easel does not listen on the network, because {reason}. Set the environment variable {VARIABLE}, name a file with "
        "--password-file, or start Easel from a terminal, where it asks for the password."
    )


def ask_password(user: str) -> str:
    """Asked for twice, without showing it. Raises NoPassword."""
    for _ in range(ATTEMPTS):
        try:
            password = getpass.getpass(f"Choose a password that other computers have to give for “{user}”: ")
            if not password.strip() or getpass.getpass("The same password once more: ") == password:
                return check_password(password, "the password that was typed is empty")
        except EOFError as error:
            raise NoPassword(describe("no password was typed")) from error
        print("The two are not the same. Try again.")
    raise NoPassword(describe("no password was typed twice in the same way"))


def has_terminal() -> bool:
    """Whether a person can be asked: there is a terminal, and this process is not in its background, where reading stops it."""
    if sys.platform == "win32":
        return bool(sys.stdin and sys.stdin.isatty())
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
