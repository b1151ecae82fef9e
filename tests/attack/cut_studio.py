"""A program for tests: serves the page with the scripted engine and the given folder until standard input ends."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.jobs import Jobs
from engine.settings import Settings
from launcher.process.ending import Ending
from ui.server.serve import serve

if __name__ == "__main__":
    Ending().install()
    folder = Path(sys.argv[1])
    settings = Settings(data=folder / "data", outputs=folder / "outputs")
    try:
        with Jobs(settings, "engine.testing:ScriptedEngine") as jobs, serve(settings, jobs, port=0) as studio:
            print(studio.port, flush=True)
            studio.wait()
    except KeyboardInterrupt:
        sys.exit(0)
