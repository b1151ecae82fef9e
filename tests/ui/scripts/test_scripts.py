"""The page's scripts: their unit tests, in a real browser over its real canvas and database; and their linter."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

from tests.ui.browser.conftest import open_browser

ROOT = Path(__file__).resolve().parents[3]
ORIGIN = "http://localhost:9"  # never asked: each address is answered from the folder
FILES = sorted(Path(__file__).parent.glob("*.test.js"))
TESTS = [(file.name, name) for file in FILES for name in re.findall(r'^test\("(.+?)"', file.read_text("utf-8"), re.M)]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A blank page whose origin is this folder tree."""
    with open_browser() as browser:
        page = browser.new_page()
        page.route(f"{ORIGIN}/**", _answer)
        page.goto(f"{ORIGIN}/")
        yield page


def _answer(route: Route) -> None:
    name = route.request.url.removeprefix(f"{ORIGIN}/")
    if name.endswith(".js"):
        route.fulfill(body=(ROOT / name).read_text("utf-8"), content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html><title>tests</title>", content_type="text/html")


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_script(page: Page, file: str, name: str) -> None:
    load = "await import(file); const { run } = await import('/tests/ui/scripts/harness.js')"
    page.evaluate(f"async ([file, name]) => {{ {load}; await run(name); }}", [f"/tests/ui/scripts/{file}", name])


def test_every_file_has_tests_and_a_test_that_fails_is_seen(page: Page) -> None:
    assert {file for file, _ in TESTS} == {file.name for file in FILES}
    failing = "async () => { const { equal } = await import('/tests/ui/scripts/harness.js'); equal(1, 2); }"
    with pytest.raises(Exception, match="1, not 2"):
        page.evaluate(failing)


def test_the_linter_has_nothing_to_say() -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("the linter of the scripts needs npm, which comes with Node.js")
    if not (ROOT / "node_modules/eslint").exists():
        subprocess.run([npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"], cwd=ROOT, check=True)
    done = subprocess.run([npm, "run", "--silent", "lint"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
