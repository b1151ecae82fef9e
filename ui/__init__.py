"""Easel's page, made with Gradio. It knows the engine's requests and events, and nothing of torch or diffusers."""

from __future__ import annotations

import os

from engine.offline import disable_reports
from engine.settings import Settings

# Gradio reads its switches when it is first imported.
disable_reports()
# So it does its folder. The default lies in the system's folder for temporary files, under one name for all users.
os.environ.setdefault("GRADIO_TEMP_DIR", str(Settings().data / "uploads"))
