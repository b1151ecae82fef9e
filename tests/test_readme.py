"""What the documents promise: the lines for a library user run, every flag is told, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
FLAG = r"--[a-z][a-z-]*"
README = (HOUSE / "README.md").read_text("utf-8")
PAGES = sorted(path for place in (".", "docs/**", "training", "models") for path in HOUSE.glob(f"{place}/*.md"))


def test_the_lines_for_a_library_user_make_a_picture(tmp_path: Path) -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(lines.splitlines()) == 5
    folders = {"EASEL_OUTPUTS": str(tmp_path / "outputs"), "EASEL_DATA": str(tmp_path / "data")}
    done = subprocess.run([sys.executable, "-c", lines], cwd=HOUSE, env={**os.environ, **folders}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = done.stdout.splitlines()
    assert Path(path).is_relative_to(tmp_path / "outputs") and Path(path).read_bytes().startswith(b"\x89PNG")


def test_every_flag_is_told() -> None:
    usage = subprocess.run([sys.executable, "app.py", "--help"], cwd=HOUSE, capture_output=True, text=True).stdout
    offered = set(re.findall(FLAG, usage))
    assert offered >= {"--port", "--no-browser", "--listen", "--models", "--outputs", "--data", "--device", "--precision"}
    table = README.partition("## Options")[2].partition("\n## ")[0]
    assert set(re.findall(FLAG, table)) == offered


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    own = {target.partition("#")[0] for target in targets if not target.startswith(("http://", "https://", "#"))}
    assert {target for target in own if not (page.parent / target).exists()} == set()


def test_every_promise_of_security_names_tests_that_are_there() -> None:
    rows = re.findall(r"^\| \*\*.+\|$", (HOUSE / "SECURITY.md").read_text("utf-8"), re.M)
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", row)
        assert named, row
        for path, function in named:
            assert f"def {function or 'test_'}" in (HOUSE / path).read_text("utf-8"), path
