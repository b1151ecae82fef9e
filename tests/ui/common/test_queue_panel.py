from __future__ import annotations

from engine.jobs import Jobs
from engine.settings import Settings
from ui.common.queue_panel import ORDERS, render_panel


def test_a_queue_that_could_not_be_read_is_said_on_the_panel() -> None:
    settings = Settings()
    settings.data.mkdir(parents=True)
    (settings.data / "journal.db").write_text("not a database " * 100)
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
        panel = render_panel(jobs)
    assert "was damaged, so it was moved to" in panel and "queue-button marked" in panel


def test_the_panel_pauses_the_queue_and_lets_it_go_on() -> None:
    with Jobs(Settings(), "engine.testing:ScriptedEngine") as jobs:
        assert 'data-order="pause"' in render_panel(jobs)
        ORDERS["pause"](jobs, "")
        panel = render_panel(jobs)
        assert 'data-order="resume"' in panel and "The queue is paused" in panel and "queue-button marked" in panel
        ORDERS["resume"](jobs, "")
        assert 'data-order="pause"' in render_panel(jobs) and "paused" not in render_panel(jobs)
