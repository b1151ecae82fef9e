"""The files that pages hand in: in one folder of Easel's own, each for a day.

Results never get here: they are served from the outputs folder itself (:mod:`ui.server.image_routes`), so that there is one
copy of each.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

DAY = 24 * 60 * 60
KEPT = (DAY, DAY)
"""How often Gradio looks for old ones, and how old they may get, in seconds."""


def settle(folder: Path) -> None:
    """Let Gradio keep uploads in ``folder``, and remove those that an Easel left behind which was killed.

    While it runs, Gradio itself removes what is older than a day (``delete_cache``). Call it before the page is made.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    before = time.time() - DAY
    for old in folder.iterdir() if folder.is_dir() else ():
        if old.stat().st_mtime < before:
            shutil.rmtree(old, ignore_errors=True)
