"""Many, slow and rude clients of the API: all are answered, memory is bounded, and nothing is lost. Fewer than in the
benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load_api import Client, Trial, measure_memory
from benchmarks.over_http import compare
from tests.api.serving import serve_api

MOST_MEMORY = 256 * 2**20


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with serve_api(tmp_path) as served:
        yield Client(served.url, served.jobs)


def check(trial: Trial) -> None:
    assert trial.answered == trial.count, trial


def test_all_are_answered_in_little_memory_and_nothing_is_lost(client: Client) -> None:
    check(client.request_all(8))
    before = measure_memory()
    check(client.request_all(60))
    with client.hang_streams(12) as trial:
        check(trial)
        with client.hang_streams(2) as more:
            check(more)
    with client.stop_reading(6) as trial:
        check(trial)
    check(client.send_much(2**28))
    with client.fill_queue(200) as trial:
        check(trial)
    assert len(client.jobs.line(1000)) == 200 and not client.jobs.jobs(("running",))
    assert measure_memory() - before < MOST_MEMORY


def test_both_ways_are_timed_in_turns() -> None:
    turns: list[str] = []
    compare(lambda seed: turns.append(f"python {seed}"), lambda seed: turns.append(f"http {seed}"), 1)
    assert turns == ["python 0", "http 0", "python 1", "http 1"]
