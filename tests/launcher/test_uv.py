"""Finding uv and bringing it, from a release server of the test's own and with a pip that really runs."""

from __future__ import annotations

import hashlib
import io
import platform
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from launcher import uv as installer
from launcher.folder import Folder
from launcher.progress import Progress
from launcher.setup_errors import SetupError
from tests.launcher.conftest import program

UV = f"#!/bin/sh\necho uv {installer.UV_VERSION}\n"


@pytest.fixture
def no_uv(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer without uv: not on the PATH, not in the home folder."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(installer, "FOLDERS", ("~/.local/bin",))


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that a server on this computer hands out as uv's release page."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    place = tmp_path / "served" / "astral-sh" / "uv" / "releases" / "download" / installer.UV_VERSION
    place.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("UV_INSTALLER_GITHUB_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield place
    server.shutdown()
    server.server_close()


def publish(place: Path, script: str) -> None:
    """A release archive of this system's kind with ``script`` as the program, and its checksum."""
    name, packed = installer.release_name(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo(name.partition(".")[0] + "/uv")
        member.size = len(script)
        archive.addfile(member, io.BytesIO(script.encode()))
    (place / name).write_bytes(packed.getvalue())
    (place / (name + ".sha256")).write_text(f"{hashlib.sha256(packed.getvalue()).hexdigest()} *{name}\n")


@pytest.mark.parametrize(
    ("said", "fit"),
    [("uv 0.13.9 (x86_64)", True), ("uv 1.0.0", True), ("uv 0.12.30", False), ("uv 0.5.1", False), ("what?", False), ("", False)],
)
def test_only_a_uv_that_knows_todays_pytorch_is_fit(tmp_path: Path, said: str, fit: bool) -> None:
    assert installer.is_usable(program(tmp_path / "uv", f"#!/bin/sh\necho '{said}'\n")) is fit


def test_one_that_does_not_run_is_not_fit(tmp_path: Path) -> None:
    assert not installer.is_usable(program(tmp_path / "uv", "#!/bin/sh\necho uv 9.9\nexit 1\n"))
    assert not installer.is_usable(tmp_path / "missing")
    assert not installer.is_usable(tmp_path)


def test_the_persons_own_uv_is_taken(no_uv: None, home: Path, folder: Folder, progress: Progress) -> None:
    own = program(home / ".local/bin/uv", UV)
    assert installer.find_or_install(folder, progress) == own
    assert not folder.tools.exists()


def test_without_pip_it_comes_from_the_release_page(
    no_uv: None, releases: Path, folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "find_pips", lambda: iter(()))
    publish(releases, UV)
    brought = installer.find_or_install(folder, progress)
    assert brought == folder.tools / "uv"
    (releases / installer.release_name()).unlink()
    assert installer.find_or_install(folder, progress) == brought, "the second time it is there"


def test_a_release_that_does_not_match_its_checksum_is_refused(releases: Path, folder: Folder, progress: Progress) -> None:
    publish(releases, UV)
    archive = releases / installer.release_name()
    archive.write_bytes(archive.read_bytes() + b"x")
    folder.tools.mkdir()
    with pytest.raises(SetupError) as failed:
        installer.install_release(folder, progress)
    assert failed.value.kind == "damaged"
    assert list(folder.tools.iterdir()) == []


def test_no_way_at_all_is_said_in_a_sentence(
    no_uv: None, folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "find_pips", lambda: iter(()))
    monkeypatch.setenv("UV_INSTALLER_GITHUB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(SetupError, match=r"^Easel's installer \(uv\) could not be fetched\. This Python has no pip\."):
        installer.find_or_install(folder, progress)


def test_a_brought_uv_that_does_not_run_is_no_uv(
    no_uv: None, releases: Path, folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "find_pips", lambda: iter(()))
    publish(releases, "#!/bin/sh\nexit 1\n")
    with pytest.raises(SetupError):
        installer.find_or_install(folder, progress)


@pytest.mark.long
def test_pip_brings_it_for_real(no_uv: None, folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installer, "install_release", installer.install_with_pip)
    monkeypatch.setattr(installer, "find_pips", partial(pips_of_the_base, installer.find_pips))
    assert installer.find_or_install(folder, progress) == folder.tools / "bin" / "uv"


def pips_of_the_base(pips) -> Iterator[list[str]]:
    """The environment that the tests run in has no pip; the wheel that comes with its Python has."""
    yield from (pip for pip in pips() if pip[1].endswith("/pip"))


@pytest.mark.parametrize(
    ("system", "machine", "libc", "name"),
    [
        ("Linux", "x86_64", "glibc", "uv-x86_64-unknown-linux-gnu.tar.gz"),
        ("Linux", "aarch64", "", "uv-aarch64-unknown-linux-musl.tar.gz"),
        ("Darwin", "arm64", "", "uv-aarch64-apple-darwin.tar.gz"),
        ("Windows", "AMD64", "", "uv-x86_64-pc-windows-msvc.zip"),
    ],
)
def test_release_names(system: str, machine: str, libc: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: (libc, ""))
    assert installer.release_name() == name


def test_a_computer_that_uv_is_not_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "i386")
    with pytest.raises(SetupError, match="64-bit"):
        installer.release_name()


def test_the_program_is_found_in_a_zip_too() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("uvx", "other")
        archive.writestr("uv", "program")
    assert installer.unpack(packed.getvalue(), "uv-x.zip") == b"program"
