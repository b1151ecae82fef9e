"""Keys with which programs log in where Easel was started with a password: several, each with a name, and each can be revoked.

A key is 32 random bytes, so its SHA-256 is kept and no slow hash is needed.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.errors import OutputError, RequestError
from engine.json_values import JsonValue, as_object, read_dataclass, write_dataclass
from engine.storage.json_store import JsonStore, UnreadableFile

FILE = "keys.json"
PREFIX = "easel-"
"""The beginning of every key, by which people and scanners for secrets recognise it."""

MOST_NAME = 100
"""Characters of a key's name."""


@dataclass(frozen=True)
class Key:
    """``digest`` is the key's SHA-256, ``created`` is in seconds since 1970."""

    digest: str
    created: float


def create_key(data: Path, name: str) -> str:
    """A new key called ``name``, which cannot be read again later. Raises RequestError for a name that is taken or blank,
    OutputError if it cannot be kept."""
    if not name.strip() or len(name) > MOST_NAME:
        raise RequestError(f"A key needs a name of up to {MOST_NAME} characters, such as that of the program that uses it.")
    secret = PREFIX + secrets.token_urlsafe(32)
    taken = False

    def add(known: Mapping[str, Key]) -> Mapping[str, Key | None]:
        nonlocal taken
        taken = name in known
        return {} if taken else {name: Key(_digest(secret), time.time())}

    _update(data, add)
    if taken:
        raise RequestError(f"There is a key called “{name}” already. Revoke it first, or choose another name.")
    return secret


def revoke_key(data: Path, name: str) -> None:
    """Let the key called ``name`` be of no use any more. Raises RequestError if there is none."""
    if name not in read_keys(data):
        raise RequestError(f"There is no key called “{name}”.")
    _update(data, lambda known: {name: None})


def read_keys(data: Path) -> dict[str, Key]:
    """The keys by name; none if their file cannot be read, for then none can be trusted."""
    path = data / FILE
    try:
        found = path.stat()
    except OSError:
        return {}
    return _read_version(path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


def is_key(data: Path, secret: str) -> bool:
    """Whether ``secret`` is a key that was not revoked. Compares in constant time."""
    digest = _digest(secret)
    return any([secrets.compare_digest(digest, key.digest) for key in read_keys(data).values()])


@lru_cache(maxsize=8)
def _read_version(path: Path, _version: tuple[int, ...]) -> dict[str, Key]:
    try:
        return _open_store(path).read()
    except UnreadableFile:
        return {}


def _update(data: Path, change: Callable[[Mapping[str, Key]], Mapping[str, Key | None]]) -> None:
    try:
        _open_store(data / FILE).update(change)
    except OSError as error:
        raise OutputError(f"The keys in “{data / FILE}” could not be changed: {error.strerror or error}.") from error


def _parse(value: JsonValue) -> Key:
    return read_dataclass(Key, as_object(value))


def _open_store(path: Path) -> JsonStore[Key]:
    return JsonStore(path, _parse, write_dataclass)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
