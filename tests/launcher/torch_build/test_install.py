"""A set-up for each kind of card: a real uv, an index on this computer with stand-ins of PyTorch's builds, recorded cards.

``test_pre_turing`` installs the real older PyTorch from the plain package index.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from launcher import environment
from launcher.commands import read_output
from launcher.folder import Folder, Installed
from launcher.progress import Progress
from launcher.torch_build.cards import Card
from launcher.torch_build.choose import PRE_TURING, REPAIR
from launcher.trial_calculation import GFX_VERSION
from tests.launcher.conftest import HOUSE, TORCH, program, wheel

BUILDS = {
    "plain": [("2.15.0", "cuda", "sm_75 sm_80 sm_86 sm_90 sm_120"), ("2.7.1", "cuda", "sm_50 sm_60 sm_70 sm_75")],
    "cu132": [("2.15.0+cu132", "cuda", "sm_75 sm_80 sm_86 sm_90 sm_120")],
    "cu126": [("2.7.1+cu126", "cuda", "sm_50 sm_60 sm_70 sm_75"), ("2.14.1+cu126", "cuda", "sm_50 sm_60 sm_70 sm_75")],
    "rocm7.2": [("2.15.0+rocm7.2", "hip", "gfx1030 gfx1100 gfx1103")],
    "xpu": [("2.15.0+xpu", "xpu", "")],
    "cpu": [("2.15.0+cpu", "", "")],
}
"""Index -> its wheels of torch: version, kind of card, what it has code for."""

PROJECT = """[project]
name = "easel"
version = "1"
dependencies = ["torch>=2.15", "torchvision>=0.29"]

[project.optional-dependencies]
openvino = []
"""

# uv knows the address of PyTorch's own index by heart; this puts the stand-in's in its place.
UV = """#!/bin/sh
for part in "$@"; do
    shift
    case "$part" in
        --torch-backend=*) set -- "$@" --index "{index}/${{part#*=}}/" --index-strategy unsafe-best-match;;
        *) set -- "$@" "$part";;
    esac
done
exec "{uv}" "$@"
"""

RTX = Card("nvidia", "GeForce RTX 3060", "sm_86", "580.65.06")
OLD_RTX = Card("nvidia", "GeForce RTX 3060", "sm_86", "550.144.03")
GTX = Card("nvidia", "GeForce GTX 1080", "sm_61", "580.65.06")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the stand-in: a folder for each index, which lists its wheels."""
    root = tmp_path_factory.mktemp("index")
    for name, builds in BUILDS.items():
        for version, kind, compiled in builds:
            known = (
                f'class version: {kind} = "1"\nclass _C: _cuda_getArchFlags = staticmethod(lambda: "{compiled}")\n'
                if kind
                else ""
            )
            seen = TORCH.replace('"9.9"', f'"{version}"').replace(
                "return False", f"return {bool(kind)} and 'EASEL_SEEN' in os.environ"
            )
            vision = "0.22.1" if version.startswith("2.7") else "0.29.2"
            for package, number, source in (("torch", version, f"import os\n{seen}{known}"), ("torchvision", vision, "")):
                place = root / name / package
                place.mkdir(parents=True, exist_ok=True)
                if not (place / f"{package}-{number}-py3-none-any.whl").exists():
                    wheel(place, package, source, number)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def house(folder: Folder, index: str, uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder with Easel's own versions of PyTorch and a uv that asks the stand-in."""
    (folder.root / "pyproject.toml").write_text(PROJECT, "utf-8")
    (folder.root / "constraints.txt").write_text("torch==2.15.0\ntorchvision==0.29.2\n", "utf-8")
    shutil.copy2(HOUSE / PRE_TURING, folder.root)
    program(tmp_path / "bin" / "uv", UV.format(index=index, uv=uv.resolve()))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index}/plain/")
    monkeypatch.delenv("UV_INDEX", raising=False)
    monkeypatch.delenv(GFX_VERSION, raising=False)
    return folder


def set_up(
    house: Folder,
    progress: Progress,
    card: Card | None,
    monkeypatch: pytest.MonkeyPatch,
    reachable: bool = True,
    seen: bool = True,
) -> tuple[str, Installed]:
    """The version of PyTorch that a computer with this card gets, and what the set-up recorded."""
    monkeypatch.setattr(environment, "find_cards", lambda system: [card] if card else [])
    monkeypatch.setattr(environment, "is_index_reachable", lambda: reachable)
    if seen:
        monkeypatch.setenv("EASEL_SEEN", "1")
    else:
        monkeypatch.delenv("EASEL_SEEN", raising=False)
    environment.prepare(house, progress, set())
    return read_output([house.python, "-c", "import torch; print(torch.__version__)"]) or "", house.read_installed()


TOO_OLD = f"its driver (550.144.03) is too old. Update the driver to 580 or newer, {REPAIR}."
OTHERS = "the PyTorch that is installed was not built for it"


@pytest.mark.parametrize(
    ("card", "reachable", "version", "note"),
    [
        (RTX, True, "2.15.0+cu132", ""),
        pytest.param(RTX, False, "2.15.0", "", marks=pytest.mark.long),
        (OLD_RTX, True, "2.15.0+cpu", f"GeForce RTX 3060 cannot be used: {TOO_OLD}"),
        pytest.param(GTX, True, "2.7.1+cu126", "", marks=pytest.mark.long),
        (GTX, False, "2.7.1", ""),
        pytest.param(Card("amd", "", "gfx1100"), True, "2.15.0+rocm7.2", "", marks=pytest.mark.long),
        (Card("amd", "", "gfx1100"), False, "2.15.0", f"The AMD card cannot be used: {OTHERS}"),
        (Card("intel", "Arc A770", "0x56a0"), True, "2.15.0+xpu", ""),
        pytest.param(
            Card("intel", "Arc A770", "0x56a0"), False, "2.15.0", f"Arc A770 cannot be used: {OTHERS}", marks=pytest.mark.long
        ),
        pytest.param(Card("intel", "Iris Xe", "0x9a49"), True, "2.15.0+cpu", "", marks=pytest.mark.long),
        pytest.param(None, True, "2.15.0+cpu", "", marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_each_card_gets_its_build_or_a_reason(
    house: Folder,
    progress: Progress,
    card: Card | None,
    reachable: bool,
    version: str,
    note: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrives = bool(card) and not note and "+cpu" not in version
    got, installed = set_up(house, progress, card, monkeypatch, reachable, seen=arrives)
    assert got == version
    assert installed.note.startswith(note) and bool(note) == bool(installed.note)
    assert progress.notes[-1] == ("Pictures will be made on cuda." if arrives else
        f"{installed.note} Easel uses the processor." if note else "Pictures will be made on cpu.")  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("name", "version"), [("gfx1031", "10.3.0"), ("gfx1103", None), ("gfx1152", "11.5.0")])
def test_the_variable_of_an_amd_card_is_kept_for_the_studio(
    house: Folder, progress: Progress, name: str, version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, installed = set_up(house, progress, Card("amd", "", name), monkeypatch)
    assert installed.variables.get(GFX_VERSION) == version


def test_after_a_new_driver_a_repair_brings_the_cards_build(
    house: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set_up(house, progress, OLD_RTX, monkeypatch, seen=False)[0] == "2.15.0+cpu"
    monkeypatch.setattr(environment, "find_cards", lambda system: [RTX])
    monkeypatch.setenv("EASEL_SEEN", "1")
    environment.prepare(house, progress, set(), anew=True)
    assert read_output([house.python, "-c", "import torch; print(torch.__version__)"]) == "2.15.0+cu132"
    assert house.read_installed() == Installed("cu132")


@pytest.mark.long
def test_an_older_card_in_place_of_a_newer_one_gets_the_older_versions(
    house: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set_up(house, progress, RTX, monkeypatch)[0] == "2.15.0+cu132"
    (house.root / "constraints.txt").write_text("torch==2.15.0\ntorchvision==0.29.2\n# newer\n", "utf-8")
    assert set_up(house, progress, GTX, monkeypatch)[0] == "2.7.1+cu126"


PICTURE = """
import pathlib, sys, torch
assert {"sm_50", "sm_60", "sm_70"} <= set(torch._C._cuda_getArchFlags().split())
from engine import Local, Settings, TextToImage
place = pathlib.Path(sys.argv[1])
with Local(Settings(data=place / "data", outputs=place / "outputs", device="cpu")) as easel:
    for result in easel.make(TextToImage(prompt="a cat on the beach", seed=1)):
        print(torch.__version__, result.path)
"""


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_pre_turing(folder: Folder, progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the plain package index: the last PyTorch with code for these cards, all of Easel's other packages, a picture."""
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        pytest.skip("That PyTorch is not published for this Python.")
    monkeypatch.delenv("UV_CACHE_DIR")  # gigabytes are not to be downloaded twice
    for name in ("pyproject.toml", "constraints.txt", PRE_TURING, "app.py", "engine", "models"):
        (folder.root / name).unlink(missing_ok=True)
        (folder.root / name).symlink_to(HOUSE / name)
    set_up(folder, progress, GTX, monkeypatch, reachable=False)
    drawn = subprocess.run(
        [str(folder.python), "-c", PICTURE, str(tmp_path)], cwd=folder.root, capture_output=True, text=True, check=False
    )
    assert drawn.returncode == 0, drawn.stderr
    version, _, path = drawn.stdout.strip().partition(" ")
    assert version.startswith("2.7.1") and Path(path).stat().st_size > 10_000
    assert folder.read_installed().note.startswith("GeForce GTX 1080 cannot be used: PyTorch does not see it"), (
        "there is none here"
    )
