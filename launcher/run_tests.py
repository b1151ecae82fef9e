"""`./launch.sh --test`: everything that the tests need, then pytest, whose closing line is the last."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

from launcher.commands import build_environment, read_output, run
from launcher.environment import prepare
from launcher.folder import Folder
from launcher.process.variables import TESTS
from launcher.progress import Progress
from launcher.setup_errors import SetupError, explain_output
from launcher.setup_lock import SetupLock

EXTRAS = {"test", "training"}
EMOJI_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
"""Where training looks for it."""

PROCESS_MEMORY = 6 * 2**30
"""Bytes that a process of the tests may take, with the studios and browsers that it starts."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Google/Chrome/Application/chrome.exe",
)

# Runs inside the environment: a browser that is there may still not start (Ubuntu's chromium without snap, a missing library).
TRIAL = """
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as play:
    path = sys.argv[1] if len(sys.argv) > 1 else play.chromium.executable_path
    browser = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page()
    page.set_content("<p>works</p>")
    assert page.inner_text("p") == "works"
    browser.close()
    print(path)
"""


def main(folder: Folder, arguments: Sequence[str]) -> int:
    """pytest's exit status, or 1 if something that the tests need is not available."""
    progress, lock = Progress(), SetupLock(folder)
    try:
        if not lock.acquire():
            progress.say("Another set-up is at work in this folder; waiting for it.")
            lock.wait()
        prepare(folder, progress, EXTRAS)
        install_font(folder, progress)
        browser = find_browser(folder, progress)
    except SetupError as failure:
        progress.fail(failure)
        return 1
    except OSError as error:
        progress.fail(explain_output([str(error)]))
        return 1
    finally:
        lock.release()
    progress.say(f"Browser for the tests: {browser}")
    command = [str(folder.python), "-m", "pytest", *spread_tests(arguments), *arguments]
    return subprocess.call(command, cwd=str(folder.root), env=build_environment(TESTS, EASEL_TEST_BROWSER=browser))


def spread_tests(arguments: Sequence[str]) -> List[str]:
    """pytest-xdist's arguments: a process per core, as far as the memory goes, each with whole files of tests, in the
    order of their names: by the number of their tests, the longest files of few tests would come last, one process
    idle. None if ``arguments`` already say how many, or ask for a debugger, which needs the terminal."""
    if any(argument.startswith(("-n", "--numprocesses", "--pdb", "--trace")) for argument in arguments):
        return []
    processes = min(os.cpu_count() or 1, read_memory() // PROCESS_MEMORY, 8)
    return ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"] if processes > 1 else []


def read_memory() -> int:
    """The computer's memory in bytes; where the system does not say, enough for one process."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return PROCESS_MEMORY


def long_tests(folder: Folder, where: str | None) -> list[str]:
    """pytest's arguments for ``--long FOLDER``, where FOLDER is one of the tests (``tests/ui``) or of what they test (``ui``)."""
    if where is None:
        return []
    named = Path("tests") / where
    return ["-m", "", str(named) if (folder.root / named).exists() else where]


def find_browser(folder: Folder, progress: Progress) -> str:
    """The path of a Chromium that starts: an installed one, else Playwright's own, else from the system's package manager."""
    for fetch in (None, install_playwright_browser, apt_installer("chromium")):
        if fetch is not None:
            fetch(folder, progress)
        for candidate in list_browsers():
            path = read_output([folder.python, "-c", TRIAL, *candidate], seconds=120)
            if path:
                return path
    raise SetupError(
        "The tests need a browser, and none could be installed.",
        "Install Chromium or Chrome (Debian: apt-get install chromium), or name one in EASEL_TEST_BROWSER, and try again.",
        "browser",
    )


def list_browsers() -> Iterator[list[str]]:
    """Arguments for :data:`TRIAL`; the empty last one means Playwright's own."""
    named = os.environ.get("EASEL_TEST_BROWSER")
    if named:
        yield [named]
    for path in (*(shutil.which(name) for name in BROWSERS), *BROWSER_PATHS):
        if path and Path(path).exists():
            yield [path]
    yield []


def install_font(folder: Folder, progress: Progress) -> None:
    """The font whose glyphs the training draws."""
    if not EMOJI_FONT.exists():
        apt_installer("fonts-noto-color-emoji")(folder, progress)
    if not EMOJI_FONT.exists():
        raise SetupError(
            f"The tests of the training need the font Noto Color Emoji at {EMOJI_FONT}, and it could not be installed.",
            "Install it (Debian: apt-get install fonts-noto-color-emoji) and try again.",
            "font",
        )


def install_playwright_browser(folder: Folder, progress: Progress) -> None:
    """Fetch the browser that Playwright was built for."""
    try_command([folder.python, "-m", "playwright", "install", "chromium"], folder, progress)


def apt_installer(package: str) -> Callable[[Folder, Progress], None]:
    """Install a package with apt-get, if that needs no password."""

    def fetch(folder: Folder, progress: Progress) -> None:
        if shutil.which("apt-get") is None:
            return
        for words in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            try_command([*sudo_prefix(), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *words], folder, progress)

    return fetch


def sudo_prefix() -> list[str]:
    """What to put before a command that needs the rights of root; sudo fails rather than ask."""
    return [] if hasattr(os, "geteuid") and os.geteuid() == 0 else ["sudo", "-n"]


def try_command(command: Sequence[str | Path], folder: Folder, progress: Progress) -> None:
    """Run a command that may fail; the caller checks its effect afterwards."""
    progress.say("Trying: " + " ".join(str(part) for part in command))
    try:
        run(command, folder.root, progress)
    except SetupError as failure:
        progress.say(f"That did not work: {failure.what}")
