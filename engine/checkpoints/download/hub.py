"""Queries the Hugging Face hub, or the server of a link, about a download, without downloading it.

Only on the user's request. The user's token comes from huggingface_hub (HF_TOKEN, or the hub's own login).
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable
from email.message import Message
from pathlib import PurePosixPath

import huggingface_hub
import huggingface_hub.constants

from engine.checkpoints.download.connection import Response, open_url, parse_url
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.names import check_weights, is_safe_inside, is_weights, make_safe_name
from engine.checkpoints.download.network_errors import describe_gated
from engine.checkpoints.download.plan import DownloadPlan, PlannedFile
from engine.checkpoints.download.proxy import check_proxy
from engine.checkpoints.download.sources import HUB, DownloadSource, check_source
from engine.checkpoints.identify.folders import FOLDER_INDEX
from engine.errors import DownloadError
from engine.json_values import JsonValue, as_object, parse_object

MAX_LISTING = 16 << 20
"""The most bytes of the hub's listing of a repository."""

MAX_FILES = 1000
"""The most files of a diffusers folder; real ones have about thirty."""


def look(
    source: DownloadSource, endpoint: str | None = None, *, control: Control | None = None, with_checker: bool = False
) -> DownloadPlan:
    """The download plan for ``source``. ``endpoint`` is the hub's address, ``with_checker`` includes a folder's safety checker.

    Raises DownloadError, a sentence, if it is not available, CancelledError, and
    :class:`~engine.checkpoints.download.internal_hosts.InternalHostError` if the user must agree first.
    """
    control = control or Control()
    check_source(source)
    check_proxy(endpoint or source.url, source.name)
    if not source.repository:
        return _look_at_link(source, control)
    if source.file:
        check_weights(source.name)
    listed = _list_files(source, endpoint, control)
    if source.file and source.file not in listed:
        raise DownloadError(f"“{source.repository}” has no file “{source.file}”. Copy its link again from its page.")
    if source.sha256:
        listed[source.file] = (listed[source.file][0], _check_published(source, listed[source.file][1]))
    wanted = [source.file] if source.file else choose_files(listed, with_checker=with_checker)
    files = {
        PurePosixPath(name if not source.file else ""): PlannedFile(_make_link(source, name, endpoint), *listed[name])
        for name in wanted
    }
    return DownloadPlan(name=source.name, files=files, token=_read_token(), hub=_find_hub(endpoint))


def _look_at_link(source: DownloadSource, control: Control) -> DownloadPlan:
    """Size and name from the response header. Some servers do not support HEAD, so GET is tried too, without reading the body."""
    with open_url(source.url, control, method="HEAD") as response:
        found = _plan_link(source, response) if response.status == 200 else None
    if found is None:
        with open_url(source.url, control) as response:
            response.raise_for_status(source.name)
            found = _plan_link(source, response)
    check_weights(found.name)
    return found


def _plan_link(source: DownloadSource, response: Response) -> DownloadPlan:
    names = (source.name, _read_attachment_name(response.headers), DownloadSource(link=response.url).name)
    is_page = "text/html" in response.headers.get("Content-Type", "")
    size = 0 if is_page else response.length or 0
    return DownloadPlan(
        name=next(filter(is_weights, names), source.name), files={PurePosixPath(): PlannedFile(source, size, source.sha256)}
    )


def _read_attachment_name(headers: Message) -> str:
    """The file name in Content-Disposition, made safe, or ""."""
    try:
        name = headers.get_filename()
    except (LookupError, ValueError):  # an unknown encoding, or bytes that are invalid in it
        name = None
    return make_safe_name(urllib.parse.unquote(name)) if name else ""


def _check_published(source: DownloadSource, said: str) -> str:
    """The SHA-256 that a file must have. Raises DownloadError if the hub's differs from the published one."""
    if said not in ("", source.sha256):
        raise DownloadError(
            f"“{source.file}” in “{source.repository}” is not the file that was published: its hash differs. "
            "Try another source, or paste a link that you trust."
        )
    return source.sha256


def _make_link(source: DownloadSource, name: str, endpoint: str | None) -> DownloadSource:
    return DownloadSource(link=huggingface_hub.hf_hub_url(source.repository, name, revision=source.revision, endpoint=endpoint))


def _list_files(source: DownloadSource, endpoint: str | None, control: Control) -> dict[str, tuple[int, str]]:
    """File -> size and SHA-256 ("" for small files), from the hub's listing."""
    if huggingface_hub.constants.is_offline_mode():
        raise DownloadError("The variable HF_HUB_OFFLINE forbids asking the hub. Remove it and start Easel again.")
    hub = _find_hub(endpoint)
    allow_hub(hub, control)
    url = f"{hub}/api/models/{source.repository}/revision/{urllib.parse.quote(source.revision, safe='')}?blobs=true"
    with open_url(url, control, token=_read_token()) as response:
        _raise_for_hub(source, response)
        answer = response.read_all(MAX_LISTING)
    try:
        siblings = parse_object(answer).get("siblings")
        return dict(map(_read_sibling, siblings)) if isinstance(siblings, list) else {}
    except ValueError as error:
        raise DownloadError(f"The answer of the hub about “{source.repository}” cannot be read. Try again later.") from error


def _find_hub(endpoint: str | None) -> str:
    return endpoint or huggingface_hub.constants.ENDPOINT


def allow_hub(hub: str, control: Control) -> None:
    """Let ``control`` contact ``hub``. The user chose it with HF_ENDPOINT, so it may be inside the network."""
    address = parse_url(hub)
    control.allow([(address.host, address.port)])


def _raise_for_hub(source: DownloadSource, response: Response) -> None:
    """Raises DownloadError for an unsuccessful response; the hub explains it in a header."""
    repository, why = source.repository, response.headers.get("X-Error-Code", "")
    if why == "GatedRepo":
        raise describe_gated(f"{HUB}/{repository}")
    if why == "RevisionNotFound":
        raise DownloadError(f"“{repository}” has no version “{source.revision}”. Copy its link again from its page.")
    if why == "RepoNotFound" or response.status in (401, 404):
        raise DownloadError(f"The hub has no “{repository}”, or it is private. Check the name, or try another source.")
    response.raise_for_status(repository)


def _read_sibling(value: JsonValue) -> tuple[str, tuple[int, str]]:
    """Name, size and SHA-256 of one file in the hub's listing. Raises ValueError for anything else."""
    sibling = as_object(value)
    name, size, blob = sibling.get("rfilename"), sibling.get("size"), sibling.get("lfs")
    digest = blob.get("sha256") if isinstance(blob, dict) else ""
    if not isinstance(name, str):
        raise ValueError("a file without a name")
    return name, (size if isinstance(size, int) and size > 0 else 0, digest if isinstance(digest, str) else "")


_USELESS = re.compile(r"\.(non_ema|fp16|ema|bf16)\.|flax|\.msgpack|\.onnx|openvino|\.h5$")


def choose_files(names: Iterable[str], *, with_checker: bool = False) -> list[str]:
    """The files of a diffusers repository that a pipeline needs: configurations, tokenizers, one set of weights per component.

    Raises DownloadError if it contains no diffusers folder.
    """
    names = list(names)
    if FOLDER_INDEX not in names:
        raise DownloadError("This repository holds no diffusers folder. Paste the link of one of its files instead.")
    inside = [name for name in names if "/" in name and is_safe_inside(name) and not _USELESS.search(name)]
    inside = [name for name in inside if with_checker or not name.startswith("safety_checker/")]
    safe = {name.split("/")[0] for name in inside if name.endswith(".safetensors")}
    chosen = [
        name for name in inside
        if name.endswith((".json", ".txt", ".safetensors")) or (name.endswith(".bin") and name.split("/")[0] not in safe)
    ]  # fmt: skip
    if len(chosen) > MAX_FILES:
        raise DownloadError(
            "This repository holds too many files for a diffusers folder. Paste the link of one of its files instead."
        )
    return [FOLDER_INDEX, *sorted(chosen)]


def _read_token() -> str:
    return huggingface_hub.get_token() or ""
