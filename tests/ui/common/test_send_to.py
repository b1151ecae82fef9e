"""Sending pictures to tabs: the page has a receiver for every button, and every button names a tab that is there."""

from __future__ import annotations

from engine.jobs import Jobs
from engine.settings import Settings
from ui import interface
from ui.common import send_to
from ui.interface import create_interface


def test_every_button_has_a_tab_that_takes_the_picture(settings: Settings, jobs: Jobs) -> None:
    page = create_interface(settings, jobs)
    heard = {name for listener in page.fns.values() for _, name in listener.targets}
    for name, target in send_to.TARGETS.items():
        assert target.tab in interface.TABS and f"to_{name}" in heard


def test_a_button_names_its_picture_and_nothing_else_gets_out() -> None:
    html = send_to.button("upscale", 'day/"><script>.png', "<Upscale>")
    assert html.startswith('<button type="button" data-send="to_upscale"')
    assert "<script>" not in html and "&lt;Upscale&gt;" in html
