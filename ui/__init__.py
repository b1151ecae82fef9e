"""Easel's page, made with Gradio. It knows the engine's requests and events, and nothing of torch or diffusers."""

from __future__ import annotations

import os

# Gradio reads these when it is first imported. Nothing leaves the machine: no usage reports, no version check.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
