"""launch.py as a person starts it: a process, its page, its studio. Everything is real but the size of the packages."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher.folder import Folder
from launcher.progress_page import is_listening
from tests.launcher.conftest import program

Start = Callable[..., "Started"]
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


class Started:
    """A launch that runs; its lines are read as they come."""

    def __init__(self, folder: Folder, *arguments: str, **variables: str) -> None:
        self.port = free_port()
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(folder.root / "launch.py"), "--port", str(self.port), *arguments],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            cwd="/",
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def until(self, start: str) -> str:
        """The next line that begins so; all before it are in :attr:`lines`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith(start):
                return self.lines[-1]
        raise AssertionError(f"ended without {start!r}:\n" + "\n".join(self.lines))

    def end(self) -> int:
        """The exit status, once it has one."""
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(60)

    def press(self, action: str) -> None:
        """A button of the page, with the token that stands in the page."""
        html = urllib.request.urlopen(self.url, timeout=5).read().decode("utf-8")
        token = html.partition('const token = "')[2].partition('"')[0]
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/launch/{token}/{action}", method="POST"), timeout=5).close()

    def state(self) -> dict:
        return json.load(urllib.request.urlopen(self.url + "/launch/state", timeout=5))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start(small_house: Folder, home: Path) -> Iterator[Start]:
    """Starts launches, and ends those that a test leaves behind."""
    begun: list[Started] = []

    def start(*arguments: str, **variables: str) -> Started:
        begun.append(Started(small_house, *arguments, **variables))
        return begun[-1]

    yield start
    for launch in begun:
        if launch.process.poll() is None:
            launch.process.terminate()
        launch.process.communicate()


def title(url: str) -> str:
    return urllib.request.urlopen(url, timeout=5).read().decode("utf-8").partition("<title>")[2].partition("</title>")[0]


def test_the_page_comes_before_everything_and_becomes_the_studio(start: Start) -> None:
    launch = start()
    launch.until("Easel is getting ready")
    assert title(launch.url) == "Easel is getting ready"
    assert launch.until("Easel is at") == f"Easel is at {launch.url}"
    assert title(launch.url) == "The studio"
    launch.process.send_signal(signal.SIGINT)
    assert launch.end() == 0
    assert launch.lines[-1] == "put away", "the studio may put its things away"
    assert not is_listening(launch.url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_from_the_background_of_a_shell_ends_on_signals_too(start: Start, number: signal.Signals) -> None:
    """A shell without job control starts such programs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        launch = start()
    finally:
        signal.signal(signal.SIGINT, before)
    launch.until("Easel is at")
    launch.process.send_signal(number)
    assert launch.end() == 0
    assert launch.lines[-1] == "put away"


def test_a_second_start_skips_the_set_up(start: Start, small_house: Folder) -> None:
    assert start("--setup-only", "--no-browser").end() == 0
    second = start(PATH="/usr/bin:/bin")
    second.until("Easel is at")
    assert second.lines[1:-1] == [f"Open {second.url} in a browser on this computer.", "Start the studio ..."]
    second.process.send_signal(signal.SIGTERM)
    assert second.end() == 0
    assert (small_house.state / "setup.log").exists()


def test_two_starts_at_once_show_one_page(start: Start, small_house: Folder) -> None:
    hold_up(small_house)
    first = start()
    first.until("Make Easel's own Python environment")
    second = start()
    assert second.end() == 0
    assert first.url in second.lines[0]
    (small_house.root / "go").touch()
    first.until("Easel is at")


def hold_up(folder: Folder) -> None:
    """Puts a uv first on the person's places that waits for a file, so that a test can look at a set-up at work."""
    uv = shutil.which("uv")
    waiting = f'if [ "$1" = venv ]; then while [ ! -e "{folder.root}/go" ]; do sleep 0.1; done; fi'
    program(folder.root / "bin" / "uv", f'#!/bin/sh\n{waiting}\nexec "{uv}" "$@"\n')
    os.environ["PATH"] = f"{folder.root / 'bin'}{os.pathsep}{os.environ['PATH']}"


def test_a_killed_set_up_is_mended_by_the_next(start: Start, small_house: Folder) -> None:
    hold_up(small_house)
    first = start()
    first.until("Make Easel's own Python environment")
    first.process.kill()
    first.end()
    small_house.venv.mkdir()
    small_house.mark_unfinished()
    (small_house.root / "go").touch()
    second = start("--setup-only", "--no-browser")
    assert second.end() == 0
    assert any("cut off" in line for line in second.lines)
    assert small_house.is_ready(set())


def test_a_failure_says_what_to_do_and_is_tried_again_from_the_page(start: Start, small_house: Folder) -> None:
    wanted = (small_house.root / "pyproject.toml").read_text("utf-8")
    (small_house.root / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["torch @ file:///no.whl"]\n'
    )
    launch = start()
    launch.until("Choose how to go on")
    failure = launch.state()["failure"]
    assert failure["what"] and failure["then"]
    (small_house.root / "pyproject.toml").write_text(wanted, "utf-8")
    launch.press("retry")
    launch.until("Easel is at")


def test_without_a_browser_a_failure_ends_the_start(start: Start, small_house: Folder) -> None:
    (small_house.root / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["torch @ file:///no.whl"]\n'
    )
    launch = start("--no-browser")
    assert launch.end() == 1
    assert not any("Traceback" in line for line in launch.lines)


def test_a_studio_that_cannot_start_gives_its_own_sentence_on_the_page(start: Start) -> None:
    launch = start("--fail")
    launch.until("Choose how to go on")
    assert launch.state()["failure"] == {"what": "Easel could not start.", "then": "The data folder cannot be written to."}
    launch.press("quit")
    assert launch.end() == 1


def test_the_studios_repair_button_makes_the_environment_anew(start: Start, small_house: Folder) -> None:
    launch = start()
    launch.until("Easel is at")
    (small_house.venv / "old").touch()
    urllib.request.urlopen(urllib.request.Request(f"{launch.url}/repair", method="POST"), timeout=5).close()
    launch.until("Easel repairs its set-up")
    assert launch.until("Easel is at") == f"Easel is at {launch.url}"
    assert title(launch.url) == "The studio"
    assert not (small_house.venv / "old").exists()
    launch.process.send_signal(signal.SIGINT)
    assert launch.end() == 0


def test_a_repair_that_fails_offers_what_works(start: Start, small_house: Folder) -> None:
    launch = start("--no-browser")
    launch.until("Easel is at")
    listed = (small_house.root / "pyproject.toml").read_text("utf-8")
    (small_house.root / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["torch @ file:///no.whl"]\n', "utf-8"
    )
    hold_up(small_house)
    urllib.request.urlopen(urllib.request.Request(f"{launch.url}/repair", method="POST"), timeout=5).close()
    launch.until("Easel repairs its set-up")
    launch.until("Make Easel's own Python environment")
    launch.state()  # the page in the browser looks
    (small_house.root / "go").touch()
    launch.until("Choose how to go on")
    (small_house.root / "pyproject.toml").write_text(listed, "utf-8")
    launch.press("retry")
    launch.until("Easel is at")


def test_an_easel_that_runs_elsewhere_is_where_the_page_goes(start: Start) -> None:
    launch = start("--elsewhere", "4321")
    launch.until("Easel is getting ready")
    launch.state()  # somebody looks
    assert launch.until("Easel is at") == "Easel is at http://127.0.0.1:4321"
    assert launch.state()["address"] == "http://127.0.0.1:4321"
    assert launch.end() == 0


def test_a_busy_port_is_said(start: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        launch = start("--port", str(port))
        assert str(port) in launch.until("Port ")
        launch.port = int(launch.until("Easel is at").rpartition(":")[2])
        assert launch.port != port


def test_the_browser_is_opened_at_the_page(start: Start, home: Path) -> None:
    opened = home / "opened"
    browser = program(home / "browser", f'#!/bin/sh\necho "$1" > "{opened}.part"\nmv "{opened}.part" "{opened}"\n')
    launch = start(BROWSER=str(browser))
    launch.until("Easel is at")
    for _ in range(100):
        if opened.exists():
            break
        time.sleep(0.1)
    assert opened.read_text().strip() == launch.url


@pytest.mark.parametrize("place", [".launch", ".launch/lock/", ".launch/page.json/", ".launch/page.json.part/"])
def test_a_folder_that_cannot_hold_the_set_up_is_said(start: Start, small_house: Folder, place: str) -> None:
    """A folder where a file should be, or the other way round, stops also those whom permissions do not."""
    if place.endswith("/"):
        (small_house.root / place).mkdir(parents=True)
    else:
        (small_house.root / place).touch()
    launch = start("--no-browser")
    assert launch.end() == 1
    assert not any("Traceback" in line for line in launch.lines)
    assert launch.lines[-2].startswith("A file or folder is in the way")


def test_the_menu_entry_can_be_had_from_the_terminal_and_the_page(start: Start, home: Path, small_house: Folder) -> None:
    entry = home / ".local/share/applications/easel.desktop"
    assert start("--desktop-entry").end() == 0
    assert "launch.sh" in entry.read_text("utf-8")
    entry.unlink()
    hold_up(small_house)
    launch = start()
    launch.until("Make Easel's own Python environment")
    assert launch.state()["entry"]
    launch.press("entry")
    assert entry.exists() and not launch.state()["entry"]
    (small_house.root / "go").touch()
    launch.until("Easel is at")


def test_version_and_help_need_no_set_up(start: Start, small_house: Folder) -> None:
    launch = start("--version")
    assert launch.end() == 0 and launch.lines == ["Easel 1.2.3"]
    launch = start("--help")
    assert launch.end() == 0 and "--no-browser" in "\n".join(launch.lines)
    assert not small_house.venv.exists()


def test_a_browser_sees_the_page_become_the_studio(start: Start, small_house: Folder) -> None:
    from playwright.sync_api import expect, sync_playwright

    hold_up(small_house)
    launch = start()
    launch.until("Make Easel's own Python environment")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=os.environ.get("EASEL_TEST_BROWSER"), args=BROWSER_FLAGS)
        page = browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(launch.url)
        expect(page.locator("li.now")).to_have_text("Make Easel's own Python environment")
        page.get_by_text("Show the log").click()
        expect(page.locator("#log")).to_contain_text("uv")
        (small_house.root / "go").touch()
        expect(page).to_have_title("The studio", timeout=60_000)
        assert page.url.rstrip("/") == launch.url and complaints == []
        browser.close()


@pytest.mark.long
def test_a_browser_follows_a_repair(start: Start, small_house: Folder) -> None:
    from playwright.sync_api import expect, sync_playwright

    hold_up(small_house)
    (small_house.root / "go").touch()
    launch = start()
    launch.until("Easel is at")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=os.environ.get("EASEL_TEST_BROWSER"), args=BROWSER_FLAGS)
        page = browser.new_page()
        page.goto(launch.url)
        page.on("dialog", lambda asked: asked.accept())
        (small_house.root / "go").unlink()
        page.get_by_text("Repair").click()
        expect(page.locator("li.now")).to_have_text("Make Easel's own Python environment", timeout=60_000)
        (small_house.root / "go").touch()
        expect(page).to_have_title("The studio", timeout=60_000)
        browser.close()


@pytest.mark.long
def test_a_page_that_lost_its_easel_says_so_and_finds_the_next(start: Start, small_house: Folder) -> None:
    from playwright.sync_api import expect, sync_playwright

    hold_up(small_house)
    launch = start()
    launch.until("Make Easel's own Python environment")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=os.environ.get("EASEL_TEST_BROWSER"), args=BROWSER_FLAGS)
        page = browser.new_page()
        page.goto(launch.url)
        launch.process.kill()
        launch.end()
        expect(page.locator("#lead")).to_contain_text("does not answer", timeout=60_000)
        (small_house.root / "go").touch()
        start("--port", str(launch.port)).until("Easel is at")
        expect(page).to_have_title("The studio", timeout=60_000)
        browser.close()
