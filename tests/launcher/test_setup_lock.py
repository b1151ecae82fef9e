"""Two starts at once."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from launcher.folder import Folder, read_json
from launcher.progress import Progress
from launcher.progress_page import ProgressPage
from launcher.setup_lock import SetupLock
from tests.launcher.conftest import HOUSE

HOLDER = """
import sys, pathlib
from launcher.folder import Folder
from launcher.setup_lock import SetupLock
lock = SetupLock(Folder(pathlib.Path(sys.argv[1])))
assert lock.acquire()
lock.publish_page(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def holder(folder: Folder, url: str) -> subprocess.Popen[str]:
    """Another process that holds the lock until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder.root), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HOUSE
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_learns_where_the_page_of_the_first_is(folder: Folder, progress: Progress) -> None:
    page = ProgressPage(progress)
    page.open(0)
    first, second = holder(folder, page.url), SetupLock(folder)
    try:
        assert not second.acquire()
        assert second.find_other_page() == page.url
        page.close()
        assert second.find_other_page() is None, "a page that does not answer is no page"
    finally:
        first.kill()
        first.communicate()


def test_a_killed_holder_leaves_the_lock_free(folder: Folder) -> None:
    first, second = holder(folder, "http://127.0.0.1:1"), SetupLock(folder)
    assert not second.acquire()
    first.kill()
    first.communicate()
    second.wait()
    assert second.find_other_page() is None
    second.release()


def test_waiting_ends_with_the_holder(folder: Folder) -> None:
    first, second = holder(folder, "http://127.0.0.1:1"), SetupLock(folder)
    threading.Timer(0.3, first.kill).start()
    second.wait()
    second.publish_page("http://127.0.0.1:2")
    assert read_json(folder.state / "page.json")["url"] == "http://127.0.0.1:2"
    second.release()
    second.release()
    assert not (folder.state / "page.json").exists()
    first.communicate()


def test_a_folder_that_cannot_be_written_to_is_an_oserror(folder: Folder) -> None:
    folder.state.write_text("a file where the folder should be")
    with pytest.raises(OSError):
        SetupLock(folder).acquire()
