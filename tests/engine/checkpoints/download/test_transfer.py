"""Downloads from a server of our own that misbehaves in every way that servers do."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from pathlib import Path, PurePosixPath

import pytest

from engine.checkpoints.download import disk, hub
from engine.checkpoints.download.control import Control
from engine.checkpoints.download.part_file import DownloadProgress
from engine.checkpoints.download.sources import DownloadSource
from engine.checkpoints.download.transfer import fetch, fetch_plan
from engine.checkpoints.library.catalogue import Catalogue
from engine.errors import CancelledError, DownloadError
from engine.settings import Settings
from tests.engine.checkpoints.download.conftest import NAME, SHA256, WHOLE, Server, get, quiet


def test_a_whole_file_gets_its_name_at_the_end(server: Server, tmp_path: Path) -> None:
    seen: list[DownloadProgress] = []
    path = fetch(DownloadSource(link=server.url), tmp_path / NAME, server.agreed(), seen.append, sha256=SHA256)
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
    with pytest.raises(DownloadError, match="lost in the middle"):
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


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "log in there"),
        (403, "log in there"),
        (404, "any more"),
        (429, "too busy"),
        (451, "answer 451"),
        (503, "Try again later"),
    ],
)
def test_a_refusal_is_said(server: Server, tmp_path: Path, status: int, words: str) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=words):
        get(server, tmp_path)


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="refused the connection"):
        fetch(DownloadSource(link="http://127.0.0.1:9/x.safetensors"), tmp_path / NAME, Control([("127.0.0.1", 9)]), quiet)


def test_a_full_disk_is_said_before_it_is_full(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SPARE", shutil.disk_usage(tmp_path).total)
    with pytest.raises(DownloadError, match="Free some"):
        get(server, tmp_path)


def test_cancel_keeps_the_part_and_the_next_try_goes_on(server: Server, tmp_path: Path) -> None:
    control = server.agreed()

    def cancel_midway(progress: DownloadProgress) -> None:
        if progress.done > 60_000:
            control.cancel()

    with pytest.raises(CancelledError):
        fetch(DownloadSource(link=server.url), tmp_path / NAME, control, cancel_midway)
    assert not (tmp_path / "thing.safetensors").exists()
    assert get(server, tmp_path).read_bytes() == WHOLE
    assert server.asked[-1].startswith("bytes=")


def test_pause_holds_on_until_resumed(server: Server, tmp_path: Path) -> None:
    control, paused = server.agreed(), threading.Event()

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
        fetch_plan(plan, settings.models, server.agreed(), quiet)
    catalogue = Catalogue(settings)
    assert not (settings.models / "thing").exists()
    inventory = catalogue.scan()
    assert not inventory.entries and not inventory.refused, "half a folder is not looked into"
    server.files["unet/x.safetensors"] = WHOLE
    folder = fetch_plan(plan, settings.models, server.agreed(), seen.append)
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "model_index.json", "unet/config.json", "unet/x.safetensors",
    ]  # fmt: skip
    assert seen[-1] == DownloadProgress(name="thing", done=plan.bytes, total=plan.bytes)
    assert set(server.tokens) == {"Bearer hf_secret"}
    with pytest.raises(DownloadError, match="already"):
        fetch_plan(plan, settings.models, server.agreed(), quiet)


def test_one_file_of_a_repository_is_checked_by_the_hubs_own_hash(server: Server, tmp_path: Path) -> None:
    endpoint = repository(server)
    plan = hub.look(DownloadSource(repository="owner/thing", file="unet/x.safetensors"), endpoint)
    server.files["unet/x.safetensors"] = WHOLE[:-1] + b"?"
    with pytest.raises(DownloadError, match="differ"):
        fetch_plan(plan, tmp_path, server.agreed(), quiet)
    server.files["unet/x.safetensors"] = WHOLE
    assert fetch_plan(plan, tmp_path, server.agreed(), quiet).read_bytes() == WHOLE
    with pytest.raises(DownloadError, match="no file"):
        hub.look(DownloadSource(repository="owner/thing", file="gone.ckpt"), endpoint)


def test_a_source_that_offers_another_file_than_was_published_is_not_asked_for_it(server: Server, tmp_path: Path) -> None:
    endpoint = repository(server)
    known = DownloadSource(repository="owner/thing", file="unet/x.safetensors", sha256=SHA256, cited="https://example.org/hashes")
    assert hub.look(known, endpoint).files[PurePosixPath()].sha256 == SHA256
    with pytest.raises(DownloadError, match="not the file that was published"):
        hub.look(dataclasses.replace(known, sha256="0" * 64), endpoint)
    plain = hub.look(
        DownloadSource(link=server.url, sha256="0" * 64, cited="https://example.org/hashes"), control=server.agreed()
    )
    with pytest.raises(DownloadError, match="differ"):
        fetch_plan(plain, tmp_path, server.agreed(), quiet)


def test_a_gated_repository_says_how_to_get_in(server: Server) -> None:
    endpoint = repository(server)
    server.status, server.headers = 403, {"X-Error-Code": "GatedRepo"}
    with pytest.raises(DownloadError, match="gated: accept its licence on"):
        hub.look(DownloadSource(repository="owner/thing"), endpoint)
    server.status, server.headers = 404, {"X-Error-Code": "RepoNotFound"}
    with pytest.raises(DownloadError, match="The hub has no “owner/thing”"):
        hub.look(DownloadSource(repository="owner/thing"), endpoint)
