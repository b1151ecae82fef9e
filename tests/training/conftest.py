"""A tiny run of every stage, made once: its folder is what a long run leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.drawing.glyphs import find_font_file


def _font_is_here() -> bool:
    try:
        find_font_file()
    except FileNotFoundError:
        return False
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Scenes are drawn with a font of the system; without it only these tests are left out, and the reason is printed."""
    if _font_is_here():
        return
    missing = pytest.mark.skip(reason="the font Noto Color Emoji is not installed (Debian: fonts-noto-color-emoji)")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(missing)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that a run leaves behind, after two steps of each."""
    import torch

    from tests.training.tiny import autoencoder_run, diffusion_run, few_steps_run

    torch.set_num_threads(1)
    run = tmp_path_factory.mktemp("run")
    autoencoder_run(run, 2)
    diffusion_run(run, 2)
    few_steps_run(run, 2)
    return run
