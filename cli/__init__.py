"""Easel from a terminal, without the page: ``./launch.sh make "a cat on the beach" --out cat.png``."""

COMMANDS = ("make", "upscale", "info", "list", "plan", "jobs", "key", "mcp", "quit")
"""The words that begin a command. Anything else starts the page."""
