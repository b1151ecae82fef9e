from __future__ import annotations

from engine.jobs import Jobs
from engine.settings import Settings
from ui.common.queue_panel import render_panel


def test_a_queue_that_could_not_be_read_is_said_on_the_panel() -> None:
    settings = Settings()
    settings.data.mkdir(parents=True)
    (settings.data / "journal.db").write_text("not a database " * 100)
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
        panel = render_panel(jobs)
    assert "was damaged, so it was moved to" in panel and "queue-button marked" in panel
