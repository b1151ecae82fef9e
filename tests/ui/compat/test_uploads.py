"""Uploads lie in one folder, and old ones go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import gradio as gr
import pytest

from tests.ui import run_async
from ui.compat import uploads
from ui.compat.mounting import Page


def test_what_a_killed_easel_left_behind_goes_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "elsewhere")
    uploads.use_folder(tmp_path / "uploads")
    for name, age in (("old", 2 * uploads.DAY), ("new", 60)):
        folder = tmp_path / "uploads" / name
        folder.mkdir(parents=True)
        (folder / "picture.png").write_bytes(b"x")
        loose = tmp_path / "uploads" / f"{name}.part"
        loose.touch()
        for path in (folder, loose):
            os.utime(path, (time.time() - age, time.time() - age))
    uploads.use_folder(tmp_path / "uploads")
    assert {path.name for path in (tmp_path / "uploads").iterdir()} == {"new", "new.part"}
    assert os.environ["GRADIO_TEMP_DIR"] == str(tmp_path / "uploads")


def test_a_page_takes_its_own_uploads_also_after_another_was_made_in_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "elsewhere")
    files: list[Path] = []
    pages: list[Page] = []
    for name in ("first", "second"):
        files.append(tmp_path / name / "picture.png")
        files[-1].parent.mkdir()
        files[-1].write_bytes(b"x")
        uploads.use_folder(tmp_path / name)
        with Page() as page:
            dropped = gr.File()
            dropped.change(lambda path: path, dropped, None)
        pages.append(page)

    def take(page: Page, path: Path) -> None:
        function = page.fns[0]
        run_async.run(page.preprocess_data(function, [{"path": str(path), "meta": {"_type": "gradio.FileData"}}], None))

    for page, own, other in zip(pages, files, reversed(files), strict=True):
        take(page, own)
        with pytest.raises(gr.Error):
            take(page, other)
