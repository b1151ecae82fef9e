"""Downloads from a server of our own that misbehaves in every way that servers do."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints import download, sources
from engine.checkpoints.architectures import BY_NAME
from engine.checkpoints.download import Control, Progress, fetch, fetch_folder
from engine.checkpoints.sources import Source, offers, read_link
from engine.errors import Cancelled, DownloadError

HEADER = json.dumps({"a": {"dtype": "F32", "shape": [50_000], "data_offsets": [0, 200_000]}}).encode()
WHOLE = struct.pack("<Q", len(HEADER)) + HEADER + bytes(range(250)) * 800


@dataclass
class Server:
    """How it behaves now, and what it was asked."""

    content: bytes = WHOLE
    break_after: int = 0
    breaks: int = 10**9
    ignore_ranges: bool = False
    claim: int = 0
    kind: str = "application/octet-stream"
    status: int = 0
    api: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.headers.get("Range", ""))
            state.tokens.append(self.headers.get("Authorization", ""))
            if state.status:
                self.send_error(state.status)
            elif self.path.startswith("/api/"):
                self._send(json.dumps(state.api).encode(), 200, "application/json")
            else:
                self._file(state.files.get(self.path.split("/resolve/main/")[-1], state.content))

        def _file(self, content: bytes) -> None:
            start = 0
            wanted = self.headers.get("Range", "")
            if wanted and not state.ignore_ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
            self._send(content[start:], 206 if start else 200, state.kind, f"bytes {start}-{len(content) - 1}/{len(content)}")

        def _send(self, body: bytes, status: int, kind: str, content_range: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(state.claim or len(body)))
            self.send_header("ETag", '"one"')
            if status == 206:
                self.send_header("Content-Range", content_range)
            self.end_headers()
            if state.break_after and state.breaks > 0:
                state.breaks -= 1
                body = body[: state.break_after]
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.url = f"http://127.0.0.1:{listening.server_port}/thing.safetensors"
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield state
        listening.shutdown()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PIECE", 16_384)
    monkeypatch.setattr(download, "TRIES", 2)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")


def quiet(progress: Progress) -> None:
    """Nobody looks."""


def get(server: Server, folder: Path, **known: Any) -> Path:
    return fetch(Source(link=server.url), folder, Control(), quiet, **known)


def test_a_whole_file_gets_its_name_at_the_end(server: Server, tmp_path: Path) -> None:
    seen: list[Progress] = []
    path = fetch(Source(link=server.url), tmp_path, Control(), seen.append, sha256=hashlib.sha256(WHOLE).hexdigest())
    assert path.read_bytes() == WHOLE
    assert seen[-1] == Progress(name="thing.safetensors", done=len(WHOLE), total=len(WHOLE))
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_connection_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.break_after, server.breaks = 50_000, 3
    assert get(server, tmp_path).read_bytes() == WHOLE
    assert server.asked == ["", "bytes=50000-", "bytes=100000-", "bytes=150000-"]


def test_a_server_that_ignores_ranges_sends_it_all_again(server: Server, tmp_path: Path) -> None:
    server.break_after, server.breaks, server.ignore_ranges = 50_000, 1, True
    assert get(server, tmp_path).read_bytes() == WHOLE


def test_a_wrong_length_is_never_taken_for_a_whole_file(server: Server, tmp_path: Path) -> None:
    server.claim = len(WHOLE) + 1000
    with pytest.raises(DownloadError, match=r"thing\.safetensors"):
        get(server, tmp_path)
    assert not (tmp_path / "thing.safetensors").exists()


def test_half_a_file_with_its_own_length_is_no_checkpoint(server: Server, tmp_path: Path) -> None:
    server.content = WHOLE[:100_000]
    with pytest.raises(DownloadError, match="no checkpoint"):
        get(server, tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_size_than_promised_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="another file"):
        get(server, tmp_path, size=len(WHOLE) + 1)


def test_other_contents_than_promised_are_not_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="differ"):
        get(server, tmp_path, sha256="0" * 64)
    assert not list(tmp_path.iterdir())


def test_a_web_page_is_no_checkpoint(server: Server, tmp_path: Path) -> None:
    server.content, server.kind = b"<html>Please log in</html>", "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="web page"):
        get(server, tmp_path)
    server.kind = "application/octet-stream"
    with pytest.raises(DownloadError, match="no checkpoint"):
        get(server, tmp_path)
    assert not (tmp_path / "thing.safetensors").exists()


@pytest.mark.parametrize(("status", "words"), [(401, "gated"), (403, "licence"), (404, "any more"), (503, "Try again later")])
def test_a_refusal_is_said(server: Server, tmp_path: Path, status: int, words: str) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=words):
        get(server, tmp_path)


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="Try again later"):
        fetch(Source(link="http://127.0.0.1:9/x.safetensors"), tmp_path, Control(), quiet)


def test_a_full_disk_is_said_before_it_is_full(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SPARE", shutil.disk_usage(tmp_path).total)
    with pytest.raises(DownloadError, match="Make room"):
        get(server, tmp_path)


def test_cancel_keeps_the_part_and_the_next_try_goes_on(server: Server, tmp_path: Path) -> None:
    control = Control()

    def cancel_midway(progress: Progress) -> None:
        if progress.done > 60_000:
            control.cancel()

    with pytest.raises(Cancelled):
        fetch(Source(link=server.url), tmp_path, control, cancel_midway)
    assert not (tmp_path / "thing.safetensors").exists()
    assert get(server, tmp_path).read_bytes() == WHOLE
    assert server.asked[-1].startswith("bytes=")


def test_pause_holds_on_until_resumed(server: Server, tmp_path: Path) -> None:
    control, paused = Control(), threading.Event()

    def pause_once(progress: Progress) -> None:
        if progress.done > 60_000 and not paused.is_set():
            control.pause()
            paused.set()

    found: list[Path] = []
    work = threading.Thread(target=lambda: found.append(fetch(Source(link=server.url), tmp_path, control, pause_once)))
    work.start()
    assert paused.wait(20)
    assert work.is_alive() and not (tmp_path / "thing.safetensors").exists()
    control.resume()
    work.join(20)
    assert found[0].read_bytes() == WHOLE


def test_the_token_goes_to_the_hub_alone(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path)
    assert server.tokens == [""]


def test_a_repository_comes_as_a_whole_folder_or_not_at_all(server: Server, tmp_path: Path) -> None:
    server.files = {"model_index.json": b"{}", "unet/config.json": b"{}", "unet/x.safetensors": WHOLE}
    names = [*server.files, "unet/x.fp16.safetensors", "unet/x.bin", "README.md", "safety_checker/model.safetensors"]
    server.api = {
        "id": "owner/thing",
        "siblings": [{"rfilename": n, "size": len(server.files.get(n, b""))} for n in names],
    }
    endpoint = server.url.rpartition("/")[0]
    server.files["unet/x.safetensors"] = WHOLE[:-1]
    with pytest.raises(DownloadError):
        fetch_folder("owner/thing", tmp_path, Control(), quiet, endpoint=endpoint)
    assert not (tmp_path / "thing").exists()
    server.files["unet/x.safetensors"] = WHOLE
    folder = fetch_folder("owner/thing", tmp_path, Control(), quiet, endpoint=endpoint)
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "model_index.json", "unet/config.json", "unet/x.safetensors",
    ]  # fmt: skip
    assert set(server.tokens) == {"Bearer hf_secret"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("owner/name", Source(repository="owner/name")),
        (" owner/name/unet/a.safetensors ", Source(repository="owner/name", file="unet/a.safetensors")),
        ("https://huggingface.co/owner/name", Source(repository="owner/name")),
        ("https://huggingface.co/o/n/blob/main/a%20b.ckpt", Source(repository="o/n", file="a b.ckpt")),
        ("https://huggingface.co/o/n/resolve/v1/a.ckpt?download=true", Source(repository="o/n", file="a.ckpt", revision="v1")),
        ("https://example.org/files/a.safetensors", Source(link="https://example.org/files/a.safetensors")),
    ],
)
def test_links_and_hub_names_are_understood(text: str, wanted: Source) -> None:
    assert read_link(text) == wanted


@pytest.mark.parametrize("text", ["", "name", "../../etc/passwd", "a b/c", "file:///etc/passwd", "owner//x", "o/n/../../x"])
def test_what_is_neither_is_said(text: str) -> None:
    with pytest.raises(DownloadError, match="neither a link nor a hub name"):
        read_link(text)


def test_a_link_never_names_a_file_outside_the_folder() -> None:
    assert Source(link="https://example.org/a/..%2F..%2Fevil.ckpt").name == "evil.ckpt"
    assert Source(link="https://example.org/").name == "download"


def test_the_catalogue_names_families_licences_and_sources() -> None:
    for offer in offers():
        assert offer.architecture in BY_NAME and offer.licence and offer.sources
        assert all(sources._NAME.fullmatch(source.repository) for source in offer.sources)
