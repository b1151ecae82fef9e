"""Every test gets folders of its own: nobody's outputs, journal or checkpoints are touched."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.jobs.worker_environment import set_thread_waiting
from tests.attack.tally import PROPERTY, add_up
from tests.fast import is_fast

# Threads that soon wait asleep: torch's default is to spin, which on a busy machine costs more than the work itself.
set_thread_waiting()

# Compiling the sources of torch and diffusers takes twice as long as importing them. Were the result not stored, each process
# that a test starts would do it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Gradio reads this when it is imported; a page sets its own.
_uploads = tempfile.TemporaryDirectory(prefix="easel-uploads-")
os.environ["GRADIO_TEMP_DIR"] = _uploads.name

# However slow a machine is, that is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# A shell ignores SIGINT for what it starts in the background, nohup SIGHUP; every process that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if os.name != "nt" and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

BUDGETS = {
    "tests/ui/browser": 8.0,
    "tests/card": 2.5,
    "tests/attack": 1.5,
    "tests/clients": 1.0,
    "tests": 12.0,
}
"""Minutes that the tests of a folder may take on two idle cores with AVX-512; the last is for all the rest."""


LONG = 3600
"""Seconds that a long test may take on a busy machine, unless it says otherwise."""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points the folders that Settings would choose at a temporary place. Checkpoints stay readable in ``models/``."""
    monkeypatch.setenv("EASEL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EASEL_OUTPUTS", str(tmp_path / "outputs"))


@pytest.fixture(autouse=True)
def no_torch_in_a_fast_run(request: pytest.FixtureRequest) -> Iterator[None]:
    """Names the test that imports torch where ``-m fast`` was asked for."""
    before = "torch" in sys.modules
    yield
    if request.config.getoption("markexpr") == "fast":
        assert before or "torch" not in sys.modules, "a fast test imported torch; name its file in tests/fast.py"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """``-m fast`` does not even import the other tests, which would cost what importing torch costs."""
    return True if config.getoption("markexpr") == "fast" and not is_fast(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") is None:
            if is_fast(item.path):
                item.add_marker(pytest.mark.fast)
        elif item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONG))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The attacks tried and what they achieved; then the part of the run that each folder took, beside its budget: its tests'
    time, shared among the processes that ran them. No time is asserted: a busy machine is no failure."""
    reports = [each for found in terminalreporter.stats.values() for each in found if isinstance(each, pytest.TestReport)]
    calls = [dict(report.user_properties) for report in reports if report.when == "call"]
    tallies = [properties[PROPERTY] for properties in calls if PROPERTY in properties]
    if tallies:
        terminalreporter.write_line(f"attacks: {add_up(tallies)}")
    seconds: defaultdict[str, float] = defaultdict(float)
    for report in reports:
        seconds[budget_of(report.nodeid)] += report.duration
    processes = terminalreporter.config.getoption("numprocesses", None) or 1
    for folder, taken in seconds.items():
        rest = " (the rest)" if folder == "tests" else ""
        terminalreporter.write_line(f"{taken / 60 / processes:5.1f} of {BUDGETS[folder]:g} minutes: {folder}{rest}")


def budget_of(test: str) -> str:
    """The folder of :data:`BUDGETS` that a test's id falls under."""
    return next((folder for folder in BUDGETS if test.startswith(folder)), "tests")
