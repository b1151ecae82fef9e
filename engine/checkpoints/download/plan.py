"""The plan of a download: its files, and where they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from engine.checkpoints.download.sources import DownloadSource


@dataclass(frozen=True)
class PlannedFile:
    """One file to download. ``size`` is in bytes, 0 if not known; ``sha256`` is "" if not known."""

    source: DownloadSource
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DownloadPlan:
    """What a source contains, to be saved as ``name``.

    ``files`` maps each file's path inside the folder to the file; the only file of a plan without a folder has the path
    ``PurePosixPath()``. ``token`` is only sent to ``hub``, the address of the hub, "" for a link.
    """

    name: str
    files: Mapping[PurePosixPath, PlannedFile]
    token: str = ""
    hub: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, not a single file."""
        return PurePosixPath() not in self.files

    @property
    def bytes(self) -> int:
        """The size of all files; 0 if the source does not say."""
        return sum(file.size for file in self.files.values())
