"""Easel's page, made with Gradio. It knows the engine's requests and events, and nothing of torch or diffusers."""

from __future__ import annotations

from engine.offline import disable_reports

# Gradio reads its switches when it is first imported.
disable_reports()
