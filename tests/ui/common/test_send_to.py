"""Sending images to tabs: the page has a receiver for every button, and every button names a tab that is there."""

from __future__ import annotations

from engine.jobs import Jobs
from engine.settings import Settings
from ui import interface
from ui.common import send_to
from ui.common.checkpoint_options import CheckpointOptions
from ui.interface import create_interface


def test_every_button_has_a_tab_that_takes_the_picture(settings: Settings, jobs: Jobs) -> None:
    page = create_interface(settings, jobs, CheckpointOptions(settings))
    heard = {name for listener in page.fns.values() for _, name in listener.targets}
    for name, target in send_to.TARGETS.items():
        assert target.event == f"to_{name}" in heard and target.tab in interface.TABS


def test_one_target_can_be_left_out() -> None:
    assert [target.event for target in send_to.list_targets("info")] == ["to_sketch", "to_upscale", "to_describe"]
