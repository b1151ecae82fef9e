"""The sources of downloads: the entries of ``models/catalogue.toml``, and links and repository names that a user pastes."""

from __future__ import annotations

import dataclasses
import re
import tomllib
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from engine.checkpoints.download.connection import WebAddress, parse_url
from engine.checkpoints.download.names import make_safe_name
from engine.errors import DownloadError
from engine.settings import HOUSE

HUB = "https://huggingface.co"
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_LINK = re.compile(r"/([\w.-]+/[\w.-]+)/(?:resolve|blob)/([^/]+)/(.+)")


@dataclass(frozen=True, kw_only=True)
class DownloadSource:
    """A source of a download. ``file`` is "" for a whole repository; ``repository`` is "" for a plain ``link``.

    ``sha256`` is the file's published hash, if there is one; ``cited`` says where it was published.
    """

    link: str = ""
    repository: str = ""
    file: str = ""
    revision: str = "main"
    sha256: str = ""
    cited: str = ""

    @property
    def url(self) -> str:
        """The address of the file."""
        if self.link:
            return self.link
        return huggingface_hub.hf_hub_url(self.repository, self.file, revision=self.revision)

    @property
    def name(self) -> str:
        """Its name on disk."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.link).path) if self.link else self.file or self.repository
        return make_safe_name(path)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A known checkpoint or LoRA, a table of ``models/catalogue.toml``. ``sources`` are tried in order."""

    name: str
    label: str
    family: str
    licence: str
    licence_link: str
    sources: tuple[DownloadSource, ...]
    note: str = ""
    is_lora: bool = False


def read_offers(path: Path = HOUSE / "models" / "catalogue.toml") -> tuple[Offer, ...]:
    """The known checkpoints, then the LoRAs."""
    tables = tomllib.loads(path.read_text("utf-8"))
    loras = (dataclasses.replace(_read_offer(row), is_lora=True) for row in tables["lora"])
    return (*(_read_offer(row) for row in tables["checkpoint"]), *loras)


def _read_offer(row: dict[str, Any]) -> Offer:
    return Offer(sources=tuple(DownloadSource(**source) for source in row.pop("sources")), **row)


def read_link(text: str) -> DownloadSource:
    """The source for a pasted link or repository name (``owner/name``, ``owner/name/file``). Raises DownloadError otherwise."""
    text = text.strip()
    if re.match("https?://", text, re.IGNORECASE):
        return _read_address(text, parse_url(text))
    parts = text.split("/")
    if len(parts) >= 2 and _is_repository("/".join(parts[:2])) and ".." not in parts and "" not in parts:
        return DownloadSource(repository="/".join(parts[:2]), file="/".join(parts[2:]))
    raise DownloadError(f"“{text[:80]}” is neither a link nor a hub name like owner/name. Copy it again from its page.")


def check_source(source: DownloadSource) -> None:
    """Raises DownloadError unless the link of ``source``, or the name of its repository, is valid."""
    if source.repository and not _is_repository(source.repository):
        raise DownloadError(f"“{source.repository}” is not the name of a repository. Copy it again from its page.")
    if source.link:
        parse_url(source.link)


def _read_address(text: str, address: WebAddress) -> DownloadSource:
    path = urllib.parse.urlsplit(text).path
    repository = "/".join(path.strip("/").split("/")[:2])
    if address.host not in ("huggingface.co", "hf.co") or not _is_repository(repository):
        return DownloadSource(link=text)
    if match := _HUB_LINK.fullmatch(path):
        return DownloadSource(repository=match[1], revision=urllib.parse.unquote(match[2]), file=urllib.parse.unquote(match[3]))
    return DownloadSource(repository=repository)


def _is_repository(name: str) -> bool:
    """Whether the hub accepts ``name`` as a repository's name."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return _NAME.fullmatch(name) is not None
