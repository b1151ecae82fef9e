"""What the page shows, from the lines that uv prints."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from launcher.progress import PHASES, Progress, UvDownloads
from launcher.setup_errors import explain_output

LINES = [
    "Using Python 3.11.7 environment at: .venv",
    "Resolved 94 packages in 1.34s",
    "Downloading torch (800.0MiB)",
    "Downloading gradio (40.0MiB)",
    "Downloading numpy (160.0MiB)",
    " Downloaded gradio",
    " Downloaded torch",
    " Downloaded numpy",
    "Prepared 94 packages in 20.1s",
    "Installed 94 packages in 360ms",
    " + accelerate==1.15.0",
]


def test_the_bar_follows_the_downloads() -> None:
    downloads = UvDownloads()
    shares = []
    for line in LINES:
        downloads.read(line)
        shares.append(round(downloads.share, 2))
    assert shares == [0, 0.04, 0.04, 0.04, 0.04, 0.07, 0.76, 0.9, 0.9, 1, 1]


def test_what_is_still_on_its_way_is_named_largest_first() -> None:
    downloads = UvDownloads()
    for line in [*LINES[:5], "Downloading a (1.0MiB)", " Downloaded gradio"]:
        downloads.read(line)
    assert downloads.text(0).startswith("Fetching torch, numpy, a: 1,050 MB")
    for name in ("torch", "numpy", "a"):
        downloads.read(f" Downloaded {name}")
    assert downloads.text(0) == ""


@given(st.lists(st.sampled_from(LINES) | st.text(max_size=40)))
def test_the_bar_never_goes_back_or_over(lines: list[str]) -> None:
    downloads, before = UvDownloads(), 0.0
    for line in lines:
        downloads.read(line)
        assert before <= downloads.share <= 1
        before = downloads.share


def test_weights_add_up_to_a_hundred() -> None:
    assert sum(phase.weight for phase in PHASES) == 100


def test_phases_before_the_present_one_are_done(progress: Progress) -> None:
    assert [phase["state"] for phase in progress.snapshot()["phases"]] == ["done", "done", "now", "waiting", "waiting"]
    progress.log_line("Installed 94 packages in 360ms")
    assert progress.snapshot()["share"] == 0.8


def test_a_failure_marks_its_phase_and_goes_away_with_another_try(progress: Progress) -> None:
    progress.fail(explain_output(["No space left on device"]))
    snapshot = progress.snapshot()
    assert snapshot["phases"][2]["state"] == "failed"
    assert snapshot["failure"]["what"] == "The disk is full."
    progress.restart()
    assert progress.snapshot()["failure"] is None
    assert "The disk is full." in progress.log_lines()


def test_every_line_is_logged_and_only_sentences_are_echoed(tmp_path: Path) -> None:
    echoed: list[str] = []
    progress = Progress(echo=echoed.append, log_file=tmp_path / "setup.log")
    progress.log_line("Resolved 3 packages")
    progress.note("Ein Wörtchen.")
    assert echoed == ["Ein Wörtchen."]
    assert (tmp_path / "setup.log").read_text("utf-8") == "Resolved 3 packages\nEin Wörtchen.\n"
    assert progress.snapshot()["notes"] == ["Ein Wörtchen."]


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    progress = Progress(echo=lambda sentence: None, log_file=tmp_path / "missing" / "setup.log")
    progress.log_line("one")
    progress.log_line("two")
    assert progress.log_lines() == ["one", "two"]
