"""ruff and pyright over the whole house, and what neither of them sees."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
TEXTS = (".py", ".md", ".toml", ".txt", ".sh", ".bat", ".command", ".html", ".css", ".js", ".json", ".yml")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=HOUSE, capture_output=True, text=True)


def test_ruff_has_nothing_to_say() -> None:
    done = run("ruff", "check", "--no-cache", ".")
    assert done.returncode == 0, done.stdout


def test_everything_is_formatted() -> None:
    done = run("ruff", "format", "--check", "--no-cache", ".")
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(1200)  # half a minute alone; on a busy machine the first reading of torch takes long
@pytest.mark.parametrize("project", ["pyproject.toml", "pyright-strict.json"])
def test_pyright_has_nothing_to_say(project: str) -> None:
    """The strict profile covers what people run; the basic one training and benchmarks."""
    done = run("pyright", "-p", project, "--pythonpath", sys.executable)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files that are part of Easel: what git knows, or in an unpacked archive, everything outside hidden folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=HOUSE, capture_output=True, text=True)
    if listed.returncode == 0:
        return [HOUSE / name for name in listed.stdout.split("\0") if name and (HOUSE / name).exists()]
    return [path for path in HOUSE.rglob("[!.]*") if path.is_file() and "/." not in str(path.relative_to(HOUSE))]


def test_no_package_index_is_named_but_pytorchs(tracked: list[Path]) -> None:
    """People have mirrors; which index is asked is their choice, or that of their tools."""
    index = re.compile(r"(pypi|pythonhosted|npmjs|registry\.)[\w.]*\.(org|com)", re.I)
    named = {str(p): index.findall(p.read_text("utf-8")) for p in tracked if p.suffix in TEXTS and p != Path(__file__)}
    assert {path: found for path, found in named.items() if found} == {}


def test_the_tree_stays_small(tracked: list[Path]) -> None:
    sizes = {path: path.stat().st_size for path in tracked}
    weights = sum(size for path, size in sizes.items() if path.suffix == ".safetensors")
    assert weights <= 40 * 2**20, f"{weights / 2**20:.1f} MB of weights"
    assert sum(sizes.values()) <= 55 * 2**20
