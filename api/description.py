"""``python -m api.description`` writes the description of all routes, ``docs/openapi.json``, anew."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from api.application import create_application
from api.context import create_context
from engine.jobs import Jobs
from engine.settings import HOUSE, Settings

FILE = HOUSE / "docs" / "openapi.json"


def write_description(path: Path) -> None:
    """Write the OpenAPI description of this version."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder), outputs=Path(folder))
        with Jobs(settings, "engine.testing:ScriptedEngine") as jobs:
            described = create_application(create_context(settings, jobs)).openapi()
    path.write_text(f"{json.dumps(described, indent=1)}\n", "utf-8")


if __name__ == "__main__":
    write_description(FILE)
