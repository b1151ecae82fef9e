"""Fetching a checkpoint, only when the user asked: into a part-file, with pause, resume and checks, named when it is whole.

No torch. One file goes through :func:`fetch`; a hub repository with a diffusers folder through :func:`fetch_folder`. The hub is
asked through huggingface_hub; the user's token comes from there (the HF_TOKEN variable or the hub's own login) and goes to the
hub alone.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub

from engine.checkpoints.headers import read_header
from engine.checkpoints.sources import HUB, Source
from engine.errors import Cancelled, CheckpointError, DownloadError

PIECE = 1 << 20
PATIENCE = 30.0
"""Seconds without a byte after which a connection counts as broken."""

TRIES = 5
"""Broken connections in a row, without a single byte between them, after which a download gives up."""

SPARE = 256 << 20
"""Bytes that stay free on the disk."""

@dataclass(frozen=True, kw_only=True)
class Progress:
    """``done`` of ``total`` bytes (0: unknown) of the file ``name``."""

    name: str
    done: int
    total: int


Tell = Callable[[Progress], None]


class Control:
    """One download's pause and cancel. Set from any thread."""

    def __init__(self) -> None:
        self._cancelled, self._running = threading.Event(), threading.Event()
        self._running.set()

    def pause(self) -> None:
        """Hold on; what was fetched stays."""
        self._running.clear()

    def resume(self) -> None:
        """Go on."""
        self._running.set()

    def cancel(self) -> None:
        """End it; what was fetched stays in the part-file for another time."""
        self._cancelled.set()
        self._running.set()

    def wait(self, seconds: float = 0.0) -> None:
        """Returns when running and after ``seconds``. Raises Cancelled."""
        self._running.wait()
        if self._cancelled.wait(seconds) if seconds else self._cancelled.is_set():
            raise Cancelled

    @property
    def is_paused(self) -> bool:
        """Whether somebody pressed Pause."""
        return not self._running.is_set()


def fetch(
    source: Source, folder: Path, control: Control, tell: Tell, *, size: int = 0, sha256: str = "", name: str = "",
    token: str | None = None,
) -> Path:
    """Fetch one file into ``folder`` and return its path. It is there under its name only when it is whole and right.

    ``size`` and ``sha256`` are checked where they are known. Raises DownloadError, a sentence, when it cannot be had, Cancelled
    when cancelled; the part-file then stays, and the next call goes on from it.
    """
    target = folder / (name or source.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(source.url, target, control, tell, size, token if token is not None else _token(source))
    try:
        part.fill()
        part.check(sha256)
        os.replace(part.path, target)
    except OSError as error:
        raise DownloadError(f"“{target.name}” cannot be written into “{folder}”: {error.strerror or error}.") from error
    part.note.unlink(missing_ok=True)
    return target


def fetch_folder(
    repository: str, folder: Path, control: Control, tell: Tell, *, revision: str = "main", endpoint: str | None = None
) -> Path:
    """Fetch a repository's diffusers folder: what a pipeline needs, safetensors where there are. Named when it is whole."""
    files = _listed(repository, revision, endpoint)
    target = folder / Path(repository).name
    part = folder / (target.name + ".part")
    _check_room(folder, sum(files[name][0] for name in files), repository)
    for name, (size, sha256) in files.items():
        place = part / name
        if place.is_file() and place.stat().st_size == size:
            continue
        link = huggingface_hub.hf_hub_url(repository, name, revision=revision, endpoint=endpoint)
        fetch(Source(link=link), place.parent, control, tell, size=size, sha256=sha256, name=place.name, token=_hub_token())
    os.replace(part, target)
    return target


def _listed(repository: str, revision: str, endpoint: str | None) -> dict[str, tuple[int, str]]:
    """File -> size and SHA-256 ("" for small files), as the hub says. Raises DownloadError for what is not to be had."""
    try:
        api = huggingface_hub.HfApi(endpoint=endpoint, token=_hub_token() or False)
        found = api.model_info(repository, revision=revision, files_metadata=True).siblings or []
    except huggingface_hub.errors.GatedRepoError as error:
        raise DownloadError(_gated(f"{HUB}/{repository}")) from error
    except huggingface_hub.errors.RepositoryNotFoundError as error:
        raise DownloadError(f"The hub has no “{repository}”, or it is private. Check the name, or try another source.") from error
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        raise DownloadError(f"The hub cannot be reached or did not answer for “{repository}”. Try again later.") from error
    sizes = {f.rfilename: (f.size or 0, f.lfs.sha256 if f.lfs else "") for f in found}
    wanted = {name: sizes[name] for name in needed(sizes)}
    if "model_index.json" not in wanted:
        raise DownloadError(f"“{repository}” holds no diffusers folder. Paste the link of one of its files instead.")
    return wanted


_USELESS = re.compile(r"\.(non_ema|fp16|ema|bf16)\.|safety_checker|flax|\.msgpack|\.onnx|openvino|\.h5$")


def needed(names: Iterable[str]) -> list[str]:
    """The files of a diffusers repository that a pipeline needs: settings, words, and one file of weights a component."""
    inside = [n for n in names if "/" in n and not _USELESS.search(n) and ".." not in n.split("/") and not n.startswith("/")]
    safe = {n.split("/")[0] for n in inside if n.endswith(".safetensors")}
    kept = [
        n for n in inside
        if n.endswith((".json", ".txt", ".safetensors")) or (n.endswith(".bin") and n.split("/")[0] not in safe)
    ]  # fmt: skip
    return [n for n in names if n == "model_index.json"] + sorted(kept)


def _token(source: Source) -> str:
    return _hub_token() if source.repository else ""


def _hub_token() -> str:
    return huggingface_hub.get_token() or ""


def _gated(page: str) -> str:
    return (
        f"This checkpoint is gated: accept its licence on {page} with your hub account, then log in with “hf auth login” "
        "or set the variable HF_TOKEN, and download again."
    )


def _check_room(folder: Path, size: int, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size + SPARE > free:
        raise DownloadError(
            f"“{name}” needs {size / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB left. Make room, or choose another folder."
        )


class _Part:
    """The part-file of one download, and what is known of the whole."""

    def __init__(self, url: str, target: Path, control: Control, tell: Tell, size: int, token: str) -> None:
        self.url, self.name = url, target.name
        self.path, self.note = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.json")
        self.control, self.tell, self.token = control, tell, token
        self.expected, self.total, self.mark = size, size, ""
        self._recall()

    def fill(self) -> None:
        """Ask until everything is there. A broken connection goes on where it broke."""
        failures = 0
        while True:
            self.control.wait(min(failures, 3) * 0.5)
            before = self.done
            try:
                self._ask()
                if not self.total or self.done >= self.total:
                    return
            except (http.client.HTTPException, TimeoutError, ConnectionError, urllib.error.URLError) as error:
                self._refuse_final(error)
            failures = 0 if self.done > before else failures + 1
            if failures >= TRIES:
                raise DownloadError(
                    f"“{self.name}” cannot be fetched: the connection breaks each time. Try again later; it goes on from here."
                )

    @property
    def done(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def _ask(self) -> None:
        """One connection, from where the part-file ends."""
        start = self.done
        if self.total and start == self.total:
            return
        request = urllib.request.Request(self.url, headers={"User-Agent": "easel", "Accept-Encoding": "identity"})
        if start:
            request.add_header("Range", f"bytes={start}-")
            if self.mark:
                request.add_header("If-Range", self.mark)
        if self.token:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            start = self._agree(answer, start)
            self._receive(answer, start)

    def _agree(self, answer: Any, start: int) -> int:
        """Where the bytes of ``answer`` belong. A server that ignores the range sends the whole again."""
        if answer.status != 206 or not _begins_at(answer.headers.get("Content-Range", ""), start):
            start = 0
        length = answer.headers.get("Content-Length", "")
        self.total = start + int(length) if length.isdigit() else 0
        if self.expected and self.total and self.total != self.expected:
            raise DownloadError(
                f"“{self.name}” is {self.total:,} bytes there instead of {self.expected:,}: the source holds another file. "
                "Try another source."
            )
        self.mark = answer.headers.get("ETag", "")
        self.mark = "" if self.mark.startswith("W/") else self.mark
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise DownloadError(f"The source sent a web page instead of “{self.name}”. Open the link in a browser to see why.")
        _check_room(self.path.parent, max(0, self.total - start), self.name)
        self.note.write_text(json.dumps({"url": self.url, "mark": self.mark, "total": self.total}), "utf-8")
        return start

    def _receive(self, answer: Any, start: int) -> None:
        with self.path.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            self.tell(Progress(name=self.name, done=start, total=self.total))
            while piece := answer.read(PIECE):
                file.write(piece)
                self.tell(Progress(name=self.name, done=file.tell(), total=self.total))
                if self.control.is_paused:
                    return
                self.control.wait()
            file.flush()
            os.fsync(file.fileno())

    def _refuse_final(self, error: Exception) -> None:
        """Raises DownloadError for an answer that asking again would not change."""
        if not isinstance(error, urllib.error.HTTPError):
            return
        if error.code in (401, 403):
            raise DownloadError(_gated(self.url.split("/resolve/")[0])) from error
        if error.code == 416:
            self.path.unlink(missing_ok=True)
            return
        if error.code < 500 and error.code not in (408, 429):
            raise DownloadError(f"The source has no “{self.name}” any more (answer {error.code}). Try another source.") from error

    def check(self, sha256: str) -> None:
        """Raises DownloadError, and removes the part-file, unless what came is whole and a checkpoint."""
        if self.total and self.done != self.total:
            raise self._wrong(f"{self.done:,} of {self.total:,} bytes came")
        if sha256 and _sha256(self.path) != sha256.lower():
            raise self._wrong("its contents differ from what the source promised")
        if self.name.endswith((".safetensors", ".ckpt", ".pt", ".pth", ".bin")):
            try:
                read_header(self.path)
            except CheckpointError as error:
                raise self._wrong("what came is no checkpoint") from error

    def _wrong(self, why: str) -> DownloadError:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        return DownloadError(f"“{self.name}” was fetched but not kept: {why}. Download it again, or try another source.")

    def _recall(self) -> None:
        """What an earlier try knew. A part of another file is not gone on with."""
        try:
            known = json.loads(self.note.read_text("utf-8"))
        except (OSError, ValueError):
            known = {}
        if known.get("url") != self.url:
            self.path.unlink(missing_ok=True)
            return
        self.mark, self.total = str(known.get("mark", "")), int(known.get("total", 0))


def _begins_at(content_range: str, start: int) -> bool:
    return content_range.startswith(f"bytes {start}-")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
