"""The time until the page is served: ``python app.py`` compared with a bare Gradio app, alternating."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
ROUNDS = 5

BARE = """
import sys, gradio
with gradio.Blocks(analytics_enabled=False) as page:
    prompt, picture, button = gradio.Textbox(), gradio.Image(), gradio.Button()
    button.click(lambda text: None, prompt, picture)
page.launch(server_port=int(sys.argv[1]), inbrowser=False, quiet=True)
"""


def main() -> None:
    """Print the median seconds to the first HTTP 200 of each, and the median of the ratios."""
    pairs = [(measure_seconds_to_page("easel"), measure_seconds_to_page("bare")) for _ in range(ROUNDS + 1)][1:]
    easel, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(e / b for e, b in pairs)
    print(f"Easel {easel:.2f} s, bare Gradio {bare:.2f} s, ratio {ratio:.2f} (medians of {ROUNDS} pairs after one warm-up)")


def measure_seconds_to_page(which: str) -> float:
    """Seconds from the start of the process to the first HTTP 200."""
    port = find_free_port()
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "easel": [
                sys.executable,
                "app.py",
                "--no-browser",
                "--port",
                str(port),
                "--data",
                folder,
                "--outputs",
                folder,
            ],
            "bare": [sys.executable, "-c", BARE, str(port)],
        }
        start = time.perf_counter()
        environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
        with subprocess.Popen(
            commands[which], cwd=HOUSE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as app:
            try:
                while not is_serving(port):
                    if app.poll() is not None:
                        raise RuntimeError(f"{which} ended before it answered")
                    time.sleep(0.01)
                return time.perf_counter() - start
            finally:
                app.terminate()
                app.wait(20)


def is_serving(port: int) -> bool:
    """Whether the page is served."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as reply:
            return reply.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def find_free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
