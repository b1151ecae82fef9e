"""Updates and the way back, with stand-ins for what is set up and what draws: a local remote, and archives."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.folder import Folder
from launcher.setup_errors import SetupError
from launcher.update import new_version
from launcher.update.update import go_back, update
from tests.launcher.conftest import HOUSE

LAUNCH = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(HOUSE)!r})
from launcher.folder import Folder
folder = Folder(Path(__file__).resolve().parent)
if (folder.root / "engine" / "no-set-up").exists():
    sys.exit("There is no such package.")
if not folder.is_ready(set()):
    folder.python.parent.mkdir(parents=True, exist_ok=True)
    folder.python.write_text('#!/bin/sh\\nexec "{sys.executable}" "$@"\\n')
    folder.python.chmod(0o755)
    (folder.venv / "made-for").write_text(folder.version)
    folder.mark_ready(set())
"""

APP = """
import sys
from pathlib import Path
root, words = Path(__file__).resolve().parent, sys.argv[1:]
if words[0] == "quit":
    (root / "outputs").mkdir(exist_ok=True)
    (root / "outputs" / "ended").write_text(" ".join(words))
elif (root / "engine" / "no-picture").exists():
    sys.exit("The image generator is broken.")
else:
    Path(words[words.index("--out") + 1]).write_bytes(b"a picture")
"""

Version = Callable[..., Path]


def write_version(root: Path, version: str, *files: str) -> Path:
    """A version of Easel in ``root``, with further files."""
    for name in (*files, f"ui/only-in-{version}", "engine/a.py", "launcher/a.py", "models/starter/s.json", "models/README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(version)
    (root / "launch.py").write_text(LAUNCH)
    (root / "app.py").write_text(APP)
    (root / "pyproject.toml").write_text(f'[project]\nname = "easel"\nversion = "{version}"\n')
    (root / ".gitignore").write_text("/.venv/\n/.launch/\n/outputs/\n/models/mine*\n")
    return root


def git(root: Path, *words: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *name, *words], check=True, capture_output=True)


def publish(remote: Path, version: str, *files: str) -> None:
    """Commit a version in the remote."""
    for path in remote.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_version(remote, version, *files)
    git(remote, "add", "-A")
    git(remote, "commit", "-q", "-m", version)


def set_up(root: Path) -> Folder:
    """Set up what lies in ``root``, and let somebody use it."""
    subprocess.run([sys.executable, root / "launch.py"], check=True)
    for name in ("outputs/a.png", "models/mine.safetensors"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("the user's")
    return Folder(root)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    root = tmp_path / "remote"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    publish(root, "1.0")
    return root


@pytest.fixture
def clone(remote: Path, tmp_path: Path) -> Folder:
    root = tmp_path / "a clone"
    git(tmp_path, "clone", "-q", str(remote), str(root))
    return set_up(root)


@pytest.fixture
def plain(tmp_path: Path) -> Folder:
    return set_up(write_version(tmp_path / "unpacked once", "1.0"))


def check(folder: Folder, version: str) -> None:
    """This version is in place as a whole, its environment is there, and what is the user's lies where it lay."""
    assert folder.version == version and folder.is_ready(set())
    assert [path.name for path in (folder.root / "ui").iterdir()] == [f"only-in-{version}"]
    assert (folder.root / "models/starter/s.json").read_text() == version
    for name in ("outputs/a.png", "models/mine.safetensors"):
        assert (folder.root / name).read_text() == "the user's"
    assert not folder.before_update.exists()


def made_for(folder: Folder) -> str:
    return (folder.venv / "made-for").read_text()


def test_a_clone_takes_the_newest_version_and_returns(remote: Path, clone: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert update(clone, "", []) == 0 and "is the newest version" in capsys.readouterr().out
    assert not (clone.root / "outputs/ended").exists()
    publish(remote, "2.0")
    assert update(clone, "", ["--data", "/somewhere", "--port", "1"]) == 0
    assert "Easel 2.0 is in place of 1.0" in capsys.readouterr().out
    assert (clone.root / "outputs/ended").read_text() == "quit --data /somewhere"
    check(clone, "2.0")
    (clone.root / "outputs/since.png").touch()
    assert go_back(clone, []) == 0
    check(clone, "1.0")
    assert (clone.root / "outputs/since.png").exists()
    with pytest.raises(SetupError, match="no earlier version"):
        go_back(clone, [])


@pytest.mark.parametrize(("fault", "said"), [("no-picture", "generator is broken"), ("no-set-up", "no such package")])
def test_a_version_that_fails_leaves_the_one_before(
    remote: Path, clone: Folder, fault: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(remote, "2.0", f"engine/{fault}")
    assert update(clone, "", []) == 1
    told = capsys.readouterr().err
    assert "Easel 1.0 is back" in told and said in told
    check(clone, "1.0")
    assert made_for(clone) == "1.0"


def test_a_changed_work_tree_is_left_alone(remote: Path, clone: Folder) -> None:
    publish(remote, "2.0")
    (clone.root / "engine/a.py").write_text("mine")
    with pytest.raises(SetupError, match=r"engine/a\.py.*git stash"):
        update(clone, "", [])
    assert clone.version == "1.0" and (clone.root / "engine/a.py").read_text() == "mine"
    git(clone.root, "commit", "-qam", "mine")
    with pytest.raises(SetupError, match="commits of its own"):
        update(clone, "", [])


def test_a_remote_that_is_gone_is_said(remote: Path, clone: Folder) -> None:
    shutil.rmtree(remote)
    with pytest.raises(SetupError):
        update(clone, "", [])
    check(clone, "1.0")


def test_without_a_clone_and_an_archive_a_sentence_says_what_to_do(plain: Folder, clone: Folder) -> None:
    git(clone.root, "remote", "remove", "origin")
    for folder in (plain, clone):
        with pytest.raises(SetupError, match="--update FILE"):
            update(folder, "", [])


def pack(tree: Path, target: Path) -> Path:
    """``tree`` as an archive whose kind is that of the name ``target``, with a folder around it, as forges make them."""
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as packed:
            for path in sorted(tree.rglob("*")):
                packed.write(path, f"easel-main/{path.relative_to(tree)}")
    else:
        with tarfile.open(target, "w:gz") as packed:
            packed.add(tree, "easel-main")
    return target


@pytest.mark.parametrize("name", ["new.zip", "new.tar.gz"])
def test_an_archive_takes_the_place_and_can_be_taken_back(plain: Folder, tmp_path: Path, name: str) -> None:
    archive = pack(write_version(tmp_path / "tree", "2.0"), tmp_path / name)
    assert update(plain, str(archive), []) == 0
    check(plain, "2.0")
    assert go_back(plain, []) == 0
    check(plain, "1.0")


def test_an_archive_comes_from_an_address(plain: Folder, tmp_path: Path) -> None:
    pack(write_version(tmp_path / "tree", "2.0", "engine/no-picture"), tmp_path / "new.zip")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        assert update(plain, f"{address}/new.zip", []) == 1
        check(plain, "1.0")
        with pytest.raises(SetupError):
            update(plain, f"{address}/none.zip", [])
    finally:
        server.shutdown()
        server.server_close()
    check(plain, "1.0")


def test_an_answer_without_end_is_given_up_before_the_disk_is_full(plain: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(new_version.MEGABYTE))

        def log_message(self, *_: object) -> None: ...

    usage, target = namedtuple("usage", "total used free"), plain.state / "update" / "archive"
    room = new_version.SPARE + 5 * new_version.MEGABYTE
    monkeypatch.setattr(new_version.shutil, "disk_usage", lambda place: usage(room, 0, room - target.stat().st_size))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(SetupError, match="free disk space"):
            update(plain, f"http://127.0.0.1:{server.server_port}/new.zip", [])
    finally:
        server.shutdown()
        server.server_close()
    check(plain, "1.0")
    assert not target.exists()


def write_bad(kind: str, tmp_path: Path) -> Path:
    path = tmp_path / "bad.zip"
    if kind == "no archive":
        path.write_bytes(b"x" * 1000)
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "not there":
        return tmp_path / "none.zip"
    elif kind == "cut off":
        path.write_bytes(pack(write_version(tmp_path / "tree", "2.0"), tmp_path / "w.tar.gz").read_bytes()[:300])
    else:
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("../outside" if kind == "leads out" else "readme.txt", "x")
    return path


@pytest.mark.parametrize("kind", ["no archive", "a pipe", "not there", "cut off", "leads out", "no Easel"])
def test_what_is_no_version_changes_nothing(plain: Folder, tmp_path: Path, kind: str) -> None:
    with pytest.raises(SetupError, match="cannot be used as a new version"):
        update(plain, str(write_bad(kind, tmp_path)), [])
    check(plain, "1.0")
    assert not (plain.root.parent / "outside").exists() and not (plain.state / "outside").exists()


def test_a_full_disk_is_said_before_anything_is_changed(plain: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(write_version(tmp_path / "tree", "2.0"), tmp_path / "new.zip")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(new_version.shutil, "disk_usage", lambda place: usage(10**9, 10**9, 10**6))
    with pytest.raises(SetupError, match="free disk space"):
        update(plain, str(archive), [])
    monkeypatch.undo()
    check(plain, "1.0")


def test_what_cannot_be_moved_is_put_back(plain: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(write_version(tmp_path / "tree", "2.0"), tmp_path / "new.zip")
    swap, calls = new_version._swap, []

    def fail_once(place: Path, away: Path, new: Path) -> None:
        calls.append(place)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        swap(place, away, new)

    monkeypatch.setattr(new_version, "_swap", fail_once)
    with pytest.raises(OSError):
        update(plain, str(archive), [])
    check(plain, "1.0")
