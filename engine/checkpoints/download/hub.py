"""Lists and downloads from the Hugging Face hub: one file, or the parts of a repository that a pipeline needs.

Asked through huggingface_hub, and only when the user wants a download. The user's token comes from there too (the HF_TOKEN
variable, or the hub's own login) and goes to the hub alone.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import huggingface_hub

from engine.checkpoints.download.sources import HUB, DownloadSource
from engine.checkpoints.download.transfer import (
    PART,
    PATIENCE,
    Control,
    DownloadProgress,
    Tell,
    check_proxy,
    check_room,
    fetch,
    gated,
)
from engine.checkpoints.identify.folders import FOLDER_INDEX
from engine.errors import DownloadError
from engine.storage.atomic_files import move_into_place


@dataclass(frozen=True)
class File:
    """One file to be fetched. ``size`` is bytes, 0 where it is not known, as is ``sha256`` as ""."""

    source: DownloadSource
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DownloadPlan:
    """What a source holds: files by where they go, under ``name``, which is a file for one and a folder for several."""

    name: str
    files: Mapping[PurePosixPath, File]
    token: str = ""

    @property
    def bytes(self) -> int:
        """What all of it takes, 0 where the source does not say."""
        return sum(file.size for file in self.files.values())


def look(source: DownloadSource, endpoint: str | None = None, *, with_checker: bool = False) -> DownloadPlan:
    """Ask ``source`` what there is, without fetching it. Raises DownloadError, a sentence, if it cannot be had.

    ``with_checker``: a folder's safety checker is wanted too.
    """
    check_proxy(endpoint or source.url, source.name)
    if not source.repository:
        return DownloadPlan(name=source.name, files={PurePosixPath(): File(source, _length(source.url), source.sha256)})
    listed = _listed(source, endpoint)
    if source.file and source.file not in listed:
        raise DownloadError(f"“{source.repository}” has no file “{source.file}”. Copy its link again from its page.")
    if source.sha256:
        listed[source.file] = (listed[source.file][0], _agreed(source, listed[source.file][1]))
    wanted = [source.file] if source.file else needed(listed, with_checker=with_checker)
    files = {
        PurePosixPath(name if not source.file else ""): File(_link(source, name, endpoint), *listed[name]) for name in wanted
    }
    return DownloadPlan(name=source.name, files=files, token=_token())


def fetch_plan(plan: DownloadPlan, folder: Path, control: Control, tell: Tell) -> Path:
    """Fetch all of ``plan`` into ``folder``; named when it is whole. Raises as
    :func:`~engine.checkpoints.download.transfer.fetch`."""
    target = folder / plan.name
    if target.exists():
        raise DownloadError(f"“{target.name}” is in “{folder}” already. Delete or rename it to download it again.")
    check_room(folder, plan.bytes, plan.name)
    whole = PurePosixPath() in plan.files
    part = target if whole else folder / (target.name + PART)
    done = 0
    for place, file in plan.files.items():

        def tell_all(progress: DownloadProgress, done: int = done) -> None:
            tell(DownloadProgress(name=plan.name, done=done + progress.done, total=plan.bytes or progress.total))

        path = part / place
        if not (path.is_file() and path.stat().st_size == file.size):
            fetch(file.source, path, control, tell_all, size=file.size, sha256=file.sha256, token=plan.token)
        done += file.size
    if not whole:
        move_into_place(part, target)
    return target


def _agreed(source: DownloadSource, said: str) -> str:
    """The SHA-256 that a file must have. Raises DownloadError if the hub says another than was published."""
    if said not in ("", source.sha256):
        raise DownloadError(
            f"“{source.file}” in “{source.repository}” is not the file that was published: its hash differs. "
            "Try another source, or paste a link that you trust."
        )
    return source.sha256


def _link(source: DownloadSource, name: str, endpoint: str | None) -> DownloadSource:
    return DownloadSource(link=huggingface_hub.hf_hub_url(source.repository, name, revision=source.revision, endpoint=endpoint))


def _listed(source: DownloadSource, endpoint: str | None) -> dict[str, tuple[int, str]]:
    """File -> size and SHA-256 ("" for small files), as the hub says."""
    repository = source.repository
    try:
        api = huggingface_hub.HfApi(endpoint=endpoint, token=_token() or False)
        found = api.model_info(repository, revision=source.revision, files_metadata=True).siblings or []
    except huggingface_hub.errors.GatedRepoError as error:
        raise DownloadError(gated(f"{HUB}/{repository}")) from error
    except huggingface_hub.errors.RepositoryNotFoundError as error:
        raise DownloadError(f"The hub has no “{repository}”, or it is private. Check the name, or try another source.") from error
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        raise DownloadError(f"The hub cannot be reached or did not answer for “{repository}”. Try again later.") from error
    return {f.rfilename: (f.size or 0, f.lfs.sha256 if f.lfs else "") for f in found}


_USELESS = re.compile(r"\.(non_ema|fp16|ema|bf16)\.|flax|\.msgpack|\.onnx|openvino|\.h5$")


def needed(names: Iterable[str], *, with_checker: bool = False) -> list[str]:
    """The files of a diffusers repository that a pipeline needs: settings, words, and one file of weights a component.

    Raises DownloadError if there is no diffusers folder in it.
    """
    names = list(names)
    if FOLDER_INDEX not in names:
        raise DownloadError("This repository holds no diffusers folder. Paste the link of one of its files instead.")
    inside = [n for n in names if "/" in n and not _USELESS.search(n) and ".." not in n.split("/") and not n.startswith("/")]
    inside = [n for n in inside if with_checker or not n.startswith("safety_checker/")]
    safe = {n.split("/")[0] for n in inside if n.endswith(".safetensors")}
    kept = [
        n for n in inside
        if n.endswith((".json", ".txt", ".safetensors")) or (n.endswith(".bin") and n.split("/")[0] not in safe)
    ]  # fmt: skip
    return [FOLDER_INDEX, *sorted(kept)]


def _length(url: str) -> int:
    """Bytes of a plain link, 0 where its server does not say."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "easel", "Accept-Encoding": "identity"}, method="HEAD")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            length = answer.headers.get("Content-Length", "")
            return int(length) if length.isdigit() and "text/html" not in answer.headers.get("Content-Type", "") else 0
    except urllib.error.HTTPError:
        return 0  # some servers know no HEAD; fetching says what is wrong
    except (OSError, ValueError) as error:
        raise DownloadError(f"“{url}” cannot be reached. Check the link and the connection, or try again later.") from error


def _token() -> str:
    return huggingface_hub.get_token() or ""
