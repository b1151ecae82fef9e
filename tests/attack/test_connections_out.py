"""No process of Easel connects to another computer: not at start, not while it generates, not for a library's telemetry.

The processes are real; ``observed/sitecustomize.py`` records and refuses their connections. Libraries send no telemetry from CI,
so the variables that indicate CI are removed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine import offline
from engine.requests import KINDS
from tests.attack.tally import Tally
from tests.engine.tiny_captioners import create_blip
from tests.test_app import app, line

HOUSE = Path(__file__).resolve().parents[2]
OBSERVED = Path(__file__).with_name("observed")
CI = ("CI", "TF_BUILD", "JENKINS_URL", "GITHUB_ACTIONS", "GITLAB_CI")
_LOOK_UP = "import socket; socket.getaddrinfo('x.invalid', 1)"
ASK = {
    "by name": "import urllib.request; urllib.request.urlopen('http://statistics.elsewhere.invalid/')",
    "by address": "import socket; socket.create_connection(('192.0.2.1', 80), 1)",
    "without an answer": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "in a child": f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_LOOK_UP!r}])",
    "in a worker": "from concurrent.futures import ProcessPoolExecutor as P; import multiprocessing as m, socket; "
    "P(1, m.get_context('spawn')).submit(socket.gethostbyname, 'x.invalid').result()",
}
"""Programs that do connect, to test the recorder."""


class Observer:
    """Runs Python processes that record the hosts that they try to reach."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "asked"
        left = {name: text for name, text in os.environ.items() if name not in (*CI, *offline.SWITCHES, *offline.HUB_SWITCHES)}
        path = os.pathsep.join([str(OBSERVED), str(HOUSE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.variables: Mapping[str, str] = {**left, "PYTHONPATH": path, "EASEL_OBSERVED": str(self.notes)}

    def list_contacts(self) -> list[str]:
        return self.notes.read_text("utf-8").splitlines() if self.notes.exists() else []

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *arguments], cwd=HOUSE, env=self.variables, capture_output=True, text=True)


@pytest.fixture
def observer(tmp_path: Path) -> Observer:
    return Observer(tmp_path)


@pytest.mark.parametrize("way", ASK)
def test_a_process_that_asks_is_seen_and_refused(way: str, observer: Observer) -> None:
    observer.run("-c", ASK[way])
    assert observer.list_contacts()


def test_what_is_asked_of_this_computer_is_no_matter(observer: Observer) -> None:
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(('localhost', s.getsockname()[1]))"
    )
    assert observer.run("-c", code).returncode == 0
    assert observer.list_contacts() == []


def test_each_kind_of_request_is_drawn_without_asking_anybody(observer: Observer, tmp_path: Path, tally: Tally) -> None:
    create_blip(tmp_path / "easel" / "models" / "blip-tiny")
    done = observer.run(OBSERVED / "every_request.py", tmp_path / "easel")
    made = dict(row.split() for row in done.stdout.splitlines() if " " in row)
    assert made.keys() == {kind.__name__ for kind in KINDS.values()} and "0" not in made.values(), done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    tally.add_attempts(len(KINDS))
    tally.count("connections out", len(observer.list_contacts()), str(observer.list_contacts()))


def test_app_starts_and_ends_without_asking_anybody(observer: Observer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CI, *offline.SWITCHES, *offline.HUB_SWITCHES):
        monkeypatch.delenv(name, raising=False)
    for name in ("PYTHONPATH", "EASEL_OBSERVED"):
        monkeypatch.setenv(name, observer.variables[name])
    with app(tmp_path, "--port", "0") as process:
        while not line(process).startswith("Easel is at"):
            assert process.poll() is None
        process.terminate()
        process.wait(60)
    assert observer.list_contacts() == []


@pytest.mark.parametrize("first", ["engine", "ui", pytest.param("engine.local", marks=pytest.mark.long), "engine.jobs.worker"])
def test_every_switch_is_off_whatever_is_imported_first(first: str, observer: Observer, tmp_path: Path) -> None:
    """A package that only sends telemetry is not imported either, even if the environment has it."""
    reporter = "import urllib.request\nurllib.request.urlopen('http://statistics.elsewhere.invalid/')\n"
    for name in offline.REPORTERS:
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site" / f"{name}.py").write_text(reporter, "utf-8")
    code = (
        f"import {first}, os, sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "from engine.offline import REPORTERS, SWITCHES\n"
        "for name in REPORTERS:\n"
        "    try: __import__(name)\n"
        "    except ModuleNotFoundError: print('missing')\n"
        "print(SWITCHES.items() <= os.environ.items())\n"
    )
    done = observer.run("-c", code)
    assert done.stdout.split() == [*("missing" for _ in offline.REPORTERS), "True"], done.stderr
    assert observer.list_contacts() == []


def test_libraries_take_the_switches(observer: Observer) -> None:
    """Each library reports its telemetry as off; in a worker, downloads as well."""
    code = (
        "import engine; from engine.offline import disable_downloads; disable_downloads()\n"
        "from huggingface_hub import constants; import gradio.analytics as gradio\n"
        "print(constants.HF_HUB_DISABLE_TELEMETRY, constants.HF_HUB_DISABLE_UPDATE_CHECK, constants.is_offline_mode(),"
        " gradio.analytics_enabled())"
    )
    done = observer.run("-c", code)
    assert done.stdout.split() == ["True", "True", "True", "False"], done.stderr
