from __future__ import annotations

from engine.jobs import Jobs
from engine.requests import ImageToImage, StudyNegative, TextToImage, Upscale
from engine.settings import Settings
from ui import messages
from ui.common.queue_panel import QueuePanel, find_tab


def test_a_queue_that_could_not_be_read_is_said_on_the_panel() -> None:
    settings = Settings()
    settings.data.mkdir(parents=True)
    (settings.data / "journal.db").write_text("not a database " * 100)
    with Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
        panel = QueuePanel(jobs, settings.outputs).render()
    assert "was damaged, so it was moved to" in panel and "queue-button marked" in panel


def test_the_panel_pauses_the_queue_and_lets_it_go_on() -> None:
    with Jobs(Settings(), "engine.testing:ScriptedEngine") as jobs:
        panel = QueuePanel(jobs, Settings().outputs)
        assert 'data-order="pause"' in panel.render()
        panel.order("pause", "")
        shown = panel.render()
        assert 'data-order="resume"' in shown and "The queue is paused" in shown and "queue-button marked" in shown
        panel.order("resume", "")
        assert 'data-order="pause"' in panel.render() and "paused" not in panel.render()


def test_waiting_jobs_are_moved_and_shown_with_their_tab_and_picture() -> None:
    with Jobs(Settings(), "engine.testing:ScriptedEngine") as jobs:
        panel = QueuePanel(jobs, Settings().outputs)
        jobs.pause()
        blob = "a" * 64
        first = jobs.submit(TextToImage(prompt="one"), "a")
        second = jobs.submit(ImageToImage(prompt="two", init_image=blob), "b")
        third = jobs.submit(Upscale(images=(blob,)), "a")
        fourth = jobs.submit(StudyNegative(prompt="four"), "c")
        jobs.move(fourth, -9)
        assert next(state.id for state in jobs.line()) == fourth
        order = [state.id for state in jobs.line()]
        panel.order("down", order[1])
        assert [state.id for state in jobs.line()] == [order[0], order[2], order[1], order[3]]
        panel.order("up", order[1])
        assert [state.id for state in jobs.line()] == order
        shown = panel.render()
        assert shown.count(f"sketches/{blob}") == 2 and shown.count('data-order="up"') == 3 == shown.count('data-order="down"')
        kinds = [find_tab(jobs.state(job).request) for job in (first, second, third, fourth)]
        assert kinds == [messages.TEXT_TAB, messages.SKETCH_TAB, messages.UPSCALE_TAB, messages.NEGATIVE_TAB]
        jobs.stop_all()


def test_a_failure_is_dismissed_or_tried_again() -> None:
    with Jobs(Settings(), "engine.testing:ScriptedEngine") as jobs:
        panel = QueuePanel(jobs, Settings().outputs)
        failed = [jobs.submit(TextToImage(prompt=f"script: fail {name}"), "a") for name in ("one", "two")]
        for job in failed:
            list(jobs.watch(job))
        assert all(f'data-job="{job}"' in panel.render() for job in failed)
        panel.order("dismiss", failed[0])
        assert f'data-job="{failed[0]}"' not in panel.render()
        assert jobs.state(failed[0]).over
        panel.order("again", failed[1])
        assert f'data-job="{failed[1]}"' not in panel.render()
        jobs.stop_all()
