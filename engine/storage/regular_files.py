"""Opens regular files only: a pipe or a device may block for ever, never end, or do something when it is opened."""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "it is a folder, not a file"),
    (stat.S_ISFIFO, "it is a pipe, not a file"),
    (stat.S_ISSOCK, "it is a socket, not a file"),
    (stat.S_ISCHR, "it is a device, not a file"),
    (stat.S_ISBLK, "it is a device, not a file"),
)

_SYSTEM = frozenset(
    {
        "proc", "sysfs", "devpts", "devtmpfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "mqueue",
        "pstore", "bpf", "fusectl", "binfmt_misc", "efivarfs", "selinuxfs", "rpc_pipefs", "nsfs",
    }
)  # fmt: skip
"""Virtual file systems of the kernel. Their files look regular, and reading one may block or never end."""

_TEXTS = (".json", ".txt", ".model", ".yaml", ".jinja")
"""Endings of files that hold settings and vocabularies, which libraries read whole."""

_OPEN_FLAGS = os.O_RDONLY | sum(
    vars(os).get(name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")
)


class NotRegular(OSError):
    """The path leads to something other than a regular file. ``strerror`` continues a sentence about it."""

    def __init__(self, reason: str, path: Path) -> None:
        super().__init__(errno.EINVAL, reason, str(path))


def check_regular(path: Path, found: os.stat_result) -> None:
    """Raises NotRegular if ``found``, what ``os.stat`` says of ``path``, is not that of a regular file."""
    for is_kind, reason in _KINDS:
        if is_kind(found.st_mode):
            raise NotRegular(reason, path)
    if is_of_system(found):
        raise NotRegular("it belongs to the operating system", path)


def is_regular_or_absent(path: Path) -> bool:
    """Whether ``path``, or what it is a link to, is a regular file, or there is nothing of this name yet. Raises OSError."""
    try:
        check_regular(path, path.stat())
    except FileNotFoundError:
        return not os.path.lexists(path)
    except NotRegular:
        return False
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False
    return True


def is_of_system(found: os.stat_result) -> bool:
    """Whether ``os.stat`` found a file or folder of a virtual file system, such as ``/proc``."""
    return found.st_dev in _find_system_devices()


@cache
def _find_system_devices(mounts: Path = Path("/proc/self/mountinfo")) -> frozenset[int]:
    """The device numbers of the kernel's own file systems; none where the system does not list its mounts."""
    devices: set[int] = set()
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        mount, _, source = line.partition(" - ")
        if source.split(" ")[0] in _SYSTEM:
            major, minor = mount.split(" ")[2].split(":")
            devices.add(os.makedev(int(major), int(minor)))
    return frozenset(devices)


def open_regular_file(path: Path) -> io.BufferedReader:
    """The file ``path``, to be read. Never blocks on what it opens. Raises OSError, NotRegular for anything but a file."""
    check_regular(path, path.stat())
    descriptor = os.open(path, _OPEN_FLAGS)
    try:
        check_regular(path, os.fstat(descriptor))  # it may have been replaced in between
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular_file(path: Path, most_bytes: int) -> bytes:
    """The content of the file ``path``. Raises OSError, and ValueError if it is larger than ``most_bytes``."""
    with open_regular_file(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"it is larger than {most_bytes // 2**20} MB")
    return content


def check_folder(folder: Path, most_bytes: int) -> None:
    """Raises NotRegular if there is anything but regular files in ``folder``, which another library is about to read by itself,
    and ValueError for a text of more than ``most_bytes``. Links that lead nowhere are left to the library."""
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                found = path.stat()
                check_regular(path, found)
                if path.suffix in _TEXTS and found.st_size > most_bytes:
                    raise ValueError(f"“{path.name}” is larger than {most_bytes // 2**20} MB")
