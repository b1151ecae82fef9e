"""Downloads the files of a plan, only on the user's request: to part-files, which are renamed once complete and verified.

Does not import torch. :mod:`engine.checkpoints.download.hub` makes the plan, :mod:`engine.checkpoints.download.background` runs
several at once.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from engine.checkpoints.download.control import Control
from engine.checkpoints.download.disk import check_free_name, check_room, move_to_free_name, translate_disk_errors
from engine.checkpoints.download.hub import allow_hub
from engine.checkpoints.download.part_file import DownloadProgress, PartFile, Tell
from engine.checkpoints.download.plan import DownloadPlan
from engine.checkpoints.download.proxy import check_proxy
from engine.checkpoints.download.sources import DownloadSource, check_source
from engine.errors import CancelledError, DownloadError
from engine.storage.atomic_files import PART, make_folder


def fetch(
    source: DownloadSource, target: Path, control: Control, tell: Tell, *, size: int = 0, sha256: str = "", token: str = ""
) -> Path:
    """Download one file to ``target``, which must not exist, and return its path. The file is renamed to it when it is complete.

    ``size`` and ``sha256`` are verified if known. ``token`` is only sent to the source's own host. Raises DownloadError, a
    sentence, on failure, and CancelledError. The part-file is then kept if the next call can resume from it, else it is
    deleted.
    """
    check_source(source)
    check_proxy(source.url, target.name)
    with translate_disk_errors(target):
        make_folder(target.parent)
        check_free_name(target)
        part = PartFile(source.url, target, control, tell, size=size, sha256=sha256, token=token)
        try:
            part.fill()
            part.check()
        except (DownloadError, CancelledError, OSError):
            if not part.can_resume:
                with suppress(OSError):
                    part.remove()
                tell(DownloadProgress(name=target.name, done=0, total=size))
            raise
        move_to_free_name(part.path, target)
        part.forget()
    return target


def fetch_plan(plan: DownloadPlan, folder: Path, control: Control, tell: Tell) -> Path:
    """Download all of ``plan`` into ``folder``, and return its path. Raises the same exceptions as :func:`fetch`."""
    target = folder / plan.name
    part = find_part(plan, folder)
    with translate_disk_errors(target):
        check_free_name(target)
        check_room(folder, max(0, plan.bytes - _measure(part)), plan.name)
    if plan.hub:
        allow_hub(plan.hub, control)
    done = 0
    for place, file in plan.files.items():

        def tell_all(progress: DownloadProgress, done: int = done) -> None:
            tell(DownloadProgress(name=plan.name, done=done + progress.done, total=plan.bytes or progress.total))

        path = part / place if plan.is_folder else target
        if not plan.is_folder or not _is_complete(path, file.size):
            fetch(file.source, path, control, tell_all, size=file.size, sha256=file.sha256, token=plan.token)
        done += file.size
    if plan.is_folder:
        with translate_disk_errors(target):
            move_to_free_name(part, target)
    return target


def find_part(plan: DownloadPlan, folder: Path) -> Path:
    """The path of an incomplete ``plan`` in ``folder``: a file or a folder."""
    return folder / (plan.name + PART)


def remove_part(plan: DownloadPlan, folder: Path) -> None:
    """Delete the incomplete ``plan`` in ``folder``. Raises DownloadError."""
    part = find_part(plan, folder)
    with translate_disk_errors(folder / plan.name):
        if plan.is_folder:
            if part.exists():
                shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
            part.with_name(f"{part.name}.json").unlink(missing_ok=True)


def _measure(part: Path) -> int:
    """Bytes of a part-file, or of all files in an incomplete folder. Raises OSError."""
    return sum(path.stat().st_size for path in (part, *part.rglob("*")) if path.is_file())


def _is_complete(path: Path, size: int) -> bool:
    """Whether an earlier attempt completed the file; one of another size is deleted."""
    with translate_disk_errors(path):
        if path.is_file() and path.stat().st_size == size:
            return True
        path.unlink(missing_ok=True)
        return False
