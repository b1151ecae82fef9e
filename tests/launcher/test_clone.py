"""The whole way on this computer: a fresh clone, the real packages, a second start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.folder import Folder
from tests.launcher.conftest import HOUSE


@pytest.fixture
def own_cache() -> None:
    """Here the shared cache is right: the packages are the real ones."""


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_fresh_clone_becomes_an_environment_that_runs_easel(tmp_path: Path) -> None:
    clone = Folder(tmp_path / "Une pièce à moi")
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", HOUSE.as_uri(), str(clone.root)], check=True)
    launch = [sys.executable, str(clone.root / "launch.py"), "--setup-only", "--no-browser"]
    first = subprocess.run(launch, capture_output=True, text=True, cwd="/")
    assert first.returncode == 0, first.stdout
    assert clone.is_ready(set())
    assert "Pictures will be made on" in first.stdout or "Easel uses the processor" in first.stdout
    again = subprocess.run(launch, capture_output=True, text=True, cwd="/", env={**os.environ, "PATH": "/usr/bin:/bin"})
    assert again.returncode == 0 and len(again.stdout.splitlines()) == 1, "nothing is done twice"
    said = subprocess.run([str(clone.python), str(clone.root / "app.py"), "--version"], capture_output=True, text=True, cwd="/")
    assert said.stdout.startswith("Easel "), said.stderr
