"""Uploads lie in one folder, and old ones go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ui.compat import uploads


def test_what_a_killed_easel_left_behind_goes_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "elsewhere")
    uploads.use_folder(tmp_path / "uploads")
    for name, age in (("old", 2 * uploads.DAY), ("new", 60)):
        folder = tmp_path / "uploads" / name
        folder.mkdir(parents=True)
        (folder / "picture.png").write_bytes(b"x")
        os.utime(folder, (time.time() - age,) * 2)
    uploads.use_folder(tmp_path / "uploads")
    assert [folder.name for folder in (tmp_path / "uploads").iterdir()] == ["new"]
    assert os.environ["GRADIO_TEMP_DIR"] == str(tmp_path / "uploads")
