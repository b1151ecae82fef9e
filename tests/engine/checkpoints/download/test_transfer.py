"""Downloads from a server of our own that misbehaves in every way that servers do."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from engine.checkpoints.download import background, hub, sources, transfer
from engine.checkpoints.download.background import DownloadManager
from engine.checkpoints.download.sources import DownloadSource, offers, read_link
from engine.checkpoints.download.transfer import Control, DownloadProgress, fetch
from engine.checkpoints.families import BY_NAME
from engine.checkpoints.library.catalogue import Catalogue
from engine.errors import CancelledError, DownloadError
from engine.settings import Settings

HEADER = json.dumps({"a": {"dtype": "F32", "shape": [50_000], "data_offsets": [0, 200_000]}}).encode()
WHOLE = struct.pack("<Q", len(HEADER)) + HEADER + bytes(range(250)) * 800


SHA256 = hashlib.sha256(WHOLE).hexdigest()
NAME = "thing.safetensors"


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
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    state.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.headers.get("Range", ""))
            state.tokens.append(self.headers.get("Authorization", ""))
            state.hold.wait(20)
            if state.status:
                self.send_response(state.status)
                for name, value in state.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.path.startswith("/api/"):
                self._send(json.dumps(state.api).encode(), 200, "application/json")
            else:
                self._file(state.files.get(self.path.split("/resolve/main/")[-1], state.content))

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(state.content)))
            self.end_headers()

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
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        yield state
        listening.shutdown()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PIECE", 16_384)
    monkeypatch.setattr(transfer, "TRIES", 2)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")


def quiet(progress: DownloadProgress) -> None:
    """Nobody looks."""


def get(server: Server, folder: Path, **known: Any) -> Path:
    return fetch(DownloadSource(link=server.url), folder / NAME, Control(), quiet, **known)


def test_a_whole_file_gets_its_name_at_the_end(server: Server, tmp_path: Path) -> None:
    seen: list[DownloadProgress] = []
    path = fetch(DownloadSource(link=server.url), tmp_path / NAME, Control(), seen.append, sha256=SHA256)
    assert path.read_bytes() == WHOLE
    assert seen[-1] == DownloadProgress(name="thing.safetensors", done=len(WHOLE), total=len(WHOLE))
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
    with pytest.raises(DownloadError, match="not a checkpoint"):
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
    with pytest.raises(DownloadError, match="not a checkpoint"):
        get(server, tmp_path)
    assert not (tmp_path / "thing.safetensors").exists()


@pytest.mark.parametrize(("status", "words"), [(401, "gated"), (403, "licence"), (404, "any more"), (503, "Try again later")])
def test_a_refusal_is_said(server: Server, tmp_path: Path, status: int, words: str) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=words):
        get(server, tmp_path)


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="Try again later"):
        fetch(DownloadSource(link="http://127.0.0.1:9/x.safetensors"), tmp_path / NAME, Control(), quiet)


def test_a_full_disk_is_said_before_it_is_full(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SPARE", shutil.disk_usage(tmp_path).total)
    with pytest.raises(DownloadError, match="Free some"):
        get(server, tmp_path)


def test_cancel_keeps_the_part_and_the_next_try_goes_on(server: Server, tmp_path: Path) -> None:
    control = Control()

    def cancel_midway(progress: DownloadProgress) -> None:
        if progress.done > 60_000:
            control.cancel()

    with pytest.raises(CancelledError):
        fetch(DownloadSource(link=server.url), tmp_path / NAME, control, cancel_midway)
    assert not (tmp_path / "thing.safetensors").exists()
    assert get(server, tmp_path).read_bytes() == WHOLE
    assert server.asked[-1].startswith("bytes=")


def test_pause_holds_on_until_resumed(server: Server, tmp_path: Path) -> None:
    control, paused = Control(), threading.Event()

    def pause_once(progress: DownloadProgress) -> None:
        if progress.done > 60_000 and not paused.is_set():
            control.pause()
            paused.set()

    found: list[Path] = []
    work = threading.Thread(
        target=lambda: found.append(fetch(DownloadSource(link=server.url), tmp_path / NAME, control, pause_once))
    )
    work.start()
    assert paused.wait(20)
    assert work.is_alive() and not (tmp_path / "thing.safetensors").exists()
    control.resume()
    work.join(20)
    assert found[0].read_bytes() == WHOLE


def test_the_token_goes_to_the_hub_alone(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path)
    assert server.tokens == [""]


def repository(server: Server) -> str:
    """Makes ``server`` a hub with the repository owner/thing; its address as an endpoint."""
    server.files = {"model_index.json": b"{}", "unet/config.json": b"{}", "unet/x.safetensors": WHOLE}
    names = [*server.files, "unet/x.fp16.safetensors", "unet/x.bin", "README.md", "safety_checker/model.safetensors"]
    digest = {"unet/x.safetensors": {"lfs": {"size": len(WHOLE), "sha256": SHA256, "pointerSize": 1}}}
    siblings = [{"rfilename": n, "size": len(server.files.get(n, b"")), **digest.get(n, {})} for n in names]
    server.api = {"id": "owner/thing", "siblings": siblings}
    return server.url.rpartition("/")[0]


def test_a_repository_comes_as_a_whole_folder_or_not_at_all(server: Server, tmp_path: Path) -> None:
    endpoint = repository(server)
    plan = hub.look(DownloadSource(repository="owner/thing"), endpoint)
    assert plan.bytes == sum(map(len, server.files.values()))
    settings, seen = Settings(models=tmp_path / "models", data=tmp_path / "data"), []
    server.files["unet/x.safetensors"] = WHOLE[:-1] + b"?"
    with pytest.raises(DownloadError, match="differ"):
        hub.fetch_plan(plan, settings.models, Control(), quiet)
    catalogue = Catalogue(settings)
    assert not (settings.models / "thing").exists()
    inventory = catalogue.scan()
    assert not inventory.entries and not inventory.refused, "half a folder is not looked into"
    server.files["unet/x.safetensors"] = WHOLE
    folder = hub.fetch_plan(plan, settings.models, Control(), seen.append)
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "model_index.json", "unet/config.json", "unet/x.safetensors",
    ]  # fmt: skip
    assert seen[-1] == DownloadProgress(name="thing", done=plan.bytes, total=plan.bytes)
    assert set(server.tokens) == {"Bearer hf_secret"}
    with pytest.raises(DownloadError, match="already"):
        hub.fetch_plan(plan, settings.models, Control(), quiet)


def test_one_file_of_a_repository_is_checked_by_the_hubs_own_hash(server: Server, tmp_path: Path) -> None:
    endpoint = repository(server)
    plan = hub.look(DownloadSource(repository="owner/thing", file="unet/x.safetensors"), endpoint)
    server.files["unet/x.safetensors"] = WHOLE[:-1] + b"?"
    with pytest.raises(DownloadError, match="differ"):
        hub.fetch_plan(plan, tmp_path, Control(), quiet)
    server.files["unet/x.safetensors"] = WHOLE
    assert hub.fetch_plan(plan, tmp_path, Control(), quiet).read_bytes() == WHOLE
    with pytest.raises(DownloadError, match="no file"):
        hub.look(DownloadSource(repository="owner/thing", file="gone.ckpt"), endpoint)


def test_a_source_that_offers_another_file_than_was_published_is_not_asked_for_it(server: Server, tmp_path: Path) -> None:
    endpoint = repository(server)
    known = DownloadSource(repository="owner/thing", file="unet/x.safetensors", sha256=SHA256, cited="https://example.org/hashes")
    assert hub.look(known, endpoint).files[PurePosixPath()].sha256 == SHA256
    with pytest.raises(DownloadError, match="not the file that was published"):
        hub.look(dataclasses.replace(known, sha256="0" * 64), endpoint)
    plain = hub.look(DownloadSource(link=server.url, sha256="0" * 64, cited="https://example.org/hashes"))
    with pytest.raises(DownloadError, match="differ"):
        hub.fetch_plan(plain, tmp_path, Control(), quiet)


def test_a_gated_repository_says_how_to_get_in(server: Server) -> None:
    endpoint = repository(server)
    server.status, server.headers = 403, {"X-Error-Code": "GatedRepo"}
    with pytest.raises(DownloadError, match="gated: accept its licence on"):
        hub.look(DownloadSource(repository="owner/thing"), endpoint)
    server.status, server.headers = 404, {"X-Error-Code": "RepoNotFound"}
    with pytest.raises(DownloadError, match="The hub has no “owner/thing”"):
        hub.look(DownloadSource(repository="owner/thing"), endpoint)


def until(known: DownloadManager, state: str) -> background.Download:
    """The newest download once it is in ``state``."""
    for _ in range(2000):
        newest = known.all()[0]
        if newest.state == state:
            return newest
        time.sleep(0.01)
    raise AssertionError(f"it is {newest}")


def test_downloads_are_offered_then_fetched_paused_and_gone_on_with(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    number = known.ask(
        [DownloadSource(link="http://127.0.0.1:9/gone.safetensors"), DownloadSource(link=server.url)], "A thing", "a licence"
    )
    offered = until(known, background.OFFERED)
    assert (offered.total, offered.licence, offered.name) == (len(WHOLE), "a licence", NAME)
    assert offered.free > 0 and not known.busy
    assert not list(tmp_path.iterdir()), "nothing is fetched before somebody says yes"
    server.hold.clear()
    known.start(number)
    until(known, background.RUNNING)
    known.pause(number)
    server.hold.set()
    until(known, background.PAUSED)
    known.start(number)
    assert until(known, background.FINISHED).done == len(WHOLE)
    assert (tmp_path / NAME).read_bytes() == WHOLE
    known.dismiss(number)
    assert known.all() == ()


def test_a_download_that_fails_or_is_cancelled_can_be_tried_again(server: Server, tmp_path: Path) -> None:
    known = DownloadManager(tmp_path)
    number = known.ask([DownloadSource(link=server.url)], "A thing")
    until(known, background.OFFERED)
    server.status = 404
    known.start(number)
    assert "any more" in until(known, background.FAILED).said
    server.status = 0
    server.hold.clear()
    known.start(number)
    known.cancel(number)
    server.hold.set()
    until(known, background.CANCELLED)
    known.start(number)
    until(known, background.FINISHED)
    declined = known.ask([DownloadSource(link=server.url)], "Another")
    until(known, background.OFFERED)
    known.cancel(declined)
    assert [each.number for each in known.all()] == [number]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("owner/name", DownloadSource(repository="owner/name")),
        (" owner/name/unet/a.safetensors ", DownloadSource(repository="owner/name", file="unet/a.safetensors")),
        ("https://huggingface.co/owner/name", DownloadSource(repository="owner/name")),
        ("https://huggingface.co/o/n/blob/main/a%20b.ckpt", DownloadSource(repository="o/n", file="a b.ckpt")),
        (
            "https://huggingface.co/o/n/resolve/v1/a.ckpt?download=true",
            DownloadSource(repository="o/n", file="a.ckpt", revision="v1"),
        ),
        ("https://example.org/files/a.safetensors", DownloadSource(link="https://example.org/files/a.safetensors")),
    ],
)
def test_links_and_hub_names_are_understood(text: str, wanted: DownloadSource) -> None:
    assert read_link(text) == wanted


@pytest.mark.parametrize("text", ["", "name", "../../etc/passwd", "a b/c", "file:///etc/passwd", "owner//x", "o/n/../../x"])
def test_what_is_neither_is_said(text: str) -> None:
    with pytest.raises(DownloadError, match="neither a link nor a hub name"):
        read_link(text)


def test_a_link_never_names_a_file_outside_the_folder() -> None:
    assert DownloadSource(link="https://example.org/a/..%2F..%2Fevil.ckpt").name == "evil.ckpt"
    assert DownloadSource(link="https://example.org/").name == "download"


def test_the_catalogue_names_families_licences_and_sources() -> None:
    for offer in offers():
        assert offer.family in BY_NAME and offer.licence and offer.sources
        assert all(sources._NAME.fullmatch(source.repository) for source in offer.sources)
        assert len(offer.sources) > 1 or offer.name == "LCM_Dreamshaper_v7", "no second source is known for that one"
        assert len(set(offer.sources)) == len(offer.sources)
        for source in offer.sources:
            assert bool(source.sha256) == source.cited.startswith("https://")
            assert not source.sha256 or (re.fullmatch("[0-9a-f]{64}", source.sha256) and source.file)
