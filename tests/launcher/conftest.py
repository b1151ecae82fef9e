"""A small Easel to set up: the real launcher, a real uv, and two stand-in packages instead of gigabytes of PyTorch."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from launcher.folder import Folder
from launcher.progress import Progress
from launcher.uv import NAME, find_or_install, is_usable, list_candidates

HOUSE = Path(__file__).resolve().parents[2]

TORCH = """
__version__ = "9.9"
class _Result:
    def sum(self): return self
    def item(self): return 4 * 27 * 900
class _Device:
    @staticmethod
    def is_available(): return False
cuda = xpu = _Device
class version: pass
class _C: pass
class backends: mps = _Device
class nn:
    class functional:
        @staticmethod
        def conv2d(picture, kernel): return _Result()
def ones(*shape, device): return _Result()
"""

APP = '''
"""Stands in for app.py: the same words and the same manner of taking the port over."""
import http.server, os, sys, urllib.request
from launcher.process.ending import Ending, end_with_parent
from launcher.process.repair import EXIT_STATUS
Ending().install()
end_with_parent()
port = int(sys.argv[sys.argv.index("--port") + 1])
if "--fail" in sys.argv:
    sys.exit("The data folder cannot be written to.")
if "--elsewhere" in sys.argv:
    print("Easel is at http://127.0.0.1:" + sys.argv[sys.argv.index("--elsewhere") + 1], flush=True)
    sys.exit(0)
urllib.request.urlopen(urllib.request.Request(os.environ["EASEL_LAUNCHER"], method="POST"), timeout=10).close()

PAGE = """<title>The studio</title><div><button data-repair data-ask="?" data-wait="...">Repair</button></div>
<script type="module">import { mount } from "./repair.js"; mount(document.querySelector("div"));</script>"""

class Studio(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        script = self.path == "/repair.js"
        self.send_response(200 if script or self.path == "/" else 404)
        self.send_header("Content-Type", "text/javascript" if script else "text/html")
        self.end_headers()
        self.wfile.write(open("repair.js", "rb").read() if script else PAGE.encode())
    def do_POST(self):
        self.send_response(200 if self.path == "/repair" else 404)
        self.end_headers()
        self.wfile.flush()
        os._exit(EXIT_STATUS)
    def log_message(self, *about): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Studio)
server.handle_error = lambda *about: None  # a client that only looked whether somebody answers
try:
    print(f"Easel is at http://127.0.0.1:{port}", flush=True)
    server.serve_forever()
except KeyboardInterrupt:
    print("put away", flush=True)
'''


def wheel(place: Path, name: str, source: str, version: str = "9.9") -> Path:
    """A wheel of one module, as small as the format allows."""
    path = place / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"{name}.py", source)
        packed.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        packed.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{about}/RECORD", f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return path


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A uv in a folder of its own: the one that set up this house, else one that is fetched once for all tests."""
    house = Folder(HOUSE)
    found = next((path for path in list_candidates(house) if is_usable(path)), None)
    own = tmp_path_factory.mktemp("bin") / NAME
    own.symlink_to(found or find_or_install(Folder(tmp_path_factory.mktemp("house")), Progress(echo=lambda sentence: None)))
    return own


@pytest.fixture(autouse=True)
def uv_on_the_path(uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test fetches uv but those that are about it. What a test changes of the PATH is put back."""
    monkeypatch.setenv("PATH", f"{uv.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in packages stay out of the cache that real set-ups share."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with a space and an accent in its name, with Easel's two lists and nothing else."""
    root = tmp_path / "Mon été peint"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "easel"\nversion = "1.2.3"\ndependencies = []\n', "utf-8")
    (root / "constraints.txt").write_text("", "utf-8")
    return Folder(root)


@pytest.fixture
def small_house(folder: Folder) -> Folder:
    """The folder with the launcher, a stand-in studio and stand-in packages in it, ready to be launched."""
    shutil.copytree(HOUSE / "launcher", folder.root / "launcher", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("launch.py", "launch.sh", "launch.command"):
        shutil.copy2(HOUSE / name, folder.root / name)
    (folder.root / "app.py").write_text(APP, "utf-8")
    shutil.copy2(HOUSE / "ui/tabs/settings/repair.js", folder.root)
    wheels = [wheel(folder.root.parent, "torch", TORCH), wheel(folder.root.parent, "torchvision", "")]
    needs = ", ".join(f'"{path.name.partition("-")[0]} @ {path.as_uri()}"' for path in wheels)
    (folder.root / "pyproject.toml").write_text(
        f'[project]\nname = "easel"\nversion = "1.2.3"\ndependencies = [{needs}]\n'
        "[project.optional-dependencies]\nheif = []\nopenvino = []\ntest = []\ntraining = []\n",
        "utf-8",
    )
    return folder


@pytest.fixture
def progress() -> Progress:
    """Says nothing in the terminal."""
    progress = Progress(echo=lambda sentence: None)
    progress.start_phase("packages")
    return progress


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, and no desktop that a browser could open on."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_DATA_HOME", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    return home


def program(path: Path, script: str) -> Path:
    """A small program of the test's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script, "utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def this_python(folder: Folder) -> Folder:
    """The folder whose environment is the one that the tests run in."""
    folder.venv.mkdir()
    program(folder.python, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    return folder
