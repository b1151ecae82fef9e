"""Every page that watches the queue is answered, also the 50th, and 200 jobs take no memory to speak of."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from benchmarks.load import JOBS, PAGES, Load
from engine import Jobs, Settings
from ui.server.serve import serve


@pytest.mark.long
def test_fifty_pages_that_watch_two_hundred_jobs_are_all_answered(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", outputs=tmp_path / "outputs")
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs, serve(settings, jobs, port=0) as studio:
        before = psutil.Process().memory_info().rss
        assert Load(studio, jobs).run() == PAGES
        assert len(jobs.line(1000)) == JOBS
        assert psutil.Process().memory_info().rss - before < 512 * 2**20
