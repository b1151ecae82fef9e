"""What a source holds: the files to download, and where they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from engine.checkpoints.download.sources import DownloadSource


@dataclass(frozen=True)
class PlannedFile:
    """One file to download. ``size`` is bytes, 0 where it is not known, as is ``sha256`` as ""."""

    source: DownloadSource
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DownloadPlan:
    """What a source holds, which is saved as ``name``.

    ``files`` maps where each file goes inside that folder to the file; the only file of a plan without a folder goes to
    ``PurePosixPath()``. ``token`` is sent to ``hub`` alone, the address of the hub, "" for a link.
    """

    name: str
    files: Mapping[PurePosixPath, PlannedFile]
    token: str = ""
    hub: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether a folder is downloaded, not a single file."""
        return PurePosixPath() not in self.files

    @property
    def bytes(self) -> int:
        """Size of all files together, 0 where the source does not say."""
        return sum(file.size for file in self.files.values())
