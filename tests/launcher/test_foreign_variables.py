"""The real thing under the environment of other programs: it starts, on its port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from engine.jobs.journal import Journal
from engine.requests import TextToImage
from launcher.folder import Folder
from tests.engine.jobs.conftest import until
from tests.launcher.conftest import HOUSE, program
from tests.launcher.test_launch import free_port

SHADOW = "raise SystemExit('a module of another program')\n"
SHADOWS = ("launcher", "engine", "ui", "gradio", "argparse", "json", "subprocess", "torch")

FOREIGN = {
    "a SOCKS proxy": {"ALL_PROXY": "socks5://127.0.0.1:9", "all_proxy": "socks://127.0.0.1:9"},
    "an HTTP proxy": {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "127.0.0.1:9"},
    "an address that is none": {"HTTP_PROXY": "::bad", "HTTPS_PROXY": "http://[", "ALL_PROXY": "nonsense://"},
    "exceptions in IPv6": {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "[::1],::1/128,fe80::/10,.corp"},
    "certificates that are gone": {"SSL_CERT_FILE": "/gone.pem", "SSL_CERT_DIR": "/gone", "REQUESTS_CA_BUNDLE": "/gone.pem"},
    "another Python": {"PYTHONHOME": "/gone", "PYTHONEXECUTABLE": "/gone", "PYTHONPLATLIBDIR": "gone", "VIRTUAL_ENV": "/gone"},
    "modules of another program": {"PYTHONPATH": "{shadows}"},
    "a stricter Python": {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "PYTHONINSPECT": "1"},
    "settings of pip": {"PIP_REQUIRE_VIRTUALENV": "1", "PIP_TARGET": "/gone", "PIP_PREFIX": "/gone", "PIP_NO_DEPS": "1"},
    "settings of uv": {
        "UV_REQUIRE_HASHES": "1",
        "UV_EXCLUDE_NEWER": "2001-01-01",
        "UV_SYSTEM_PYTHON": "1",
        "UV_NO_BINARY": "1",
        "UV_PYTHON": "2.7",
        "UV_PROJECT_ENVIRONMENT": "/gone",
        "UV_NO_INSTALLER_METADATA": "1",
    },
    "settings of Gradio": {
        "GRADIO_ROOT_PATH": "/elsewhere",
        "GRADIO_SERVER_PORT": "1",
        "GRADIO_SERVER_NAME": "nowhere.invalid",
        "GRADIO_SHARE": "True",
        "GRADIO_TEMP_DIR": "/proc/none",
        "GRADIO_SSR_MODE": "True",
        "SPACE_ID": "a/b",
        "SYSTEM": "spaces",
        "WEB_CONCURRENCY": "4",
    },
    "Python's own settings": {
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
        "PYTHONSTARTUP": "/gone.py",
        "PYTHONDEVMODE": "1",
        "PYTHONBREAKPOINT": "gone.gone",
        "PYTHONCASEOK": "1",
        "PYTHONPROFILEIMPORTTIME": "1",
    },
    "an old locale": {"LANG": "C", "LC_ALL": "POSIX", "LANGUAGE": "xx", "TZ": ":/gone/zone", "TERM": "nonsense", "COLUMNS": "0"},
    "no place of one's own": {
        "HOME": "/proc/none",
        "TMPDIR": "/gone",
        "XDG_CACHE_HOME": "/proc/none",
        "XDG_CONFIG_HOME": "relative",
        "XDG_DATA_HOME": "/proc/none",
        "XDG_RUNTIME_DIR": "/gone",
        "MPLCONFIGDIR": "/proc/none",
        "SQLITE_TMPDIR": "/gone",
    },
    "settings of the hub's libraries": {
        "HF_HOME": "/proc/none",
        "HF_ENDPOINT": "nonsense",
        "HF_HUB_DOWNLOAD_TIMEOUT": "soon",
        "HF_HUB_VERBOSITY": "nonsense",
        "HF_HUB_ENABLE_HF_TRANSFER": "1",
        "TRANSFORMERS_VERBOSITY": "nonsense",
        "DIFFUSERS_VERBOSITY": "nonsense",
        "ACCELERATE_MIXED_PRECISION": "nonsense",
        "ACCELERATE_USE_DEEPSPEED": "true",
        "WORLD_SIZE": "2",
        "RANK": "1",
        "USE_TORCH": "0",
    },
    "settings of PyTorch": {
        "TORCH_LOGS": "nonsense",
        "TORCH_HOME": "/proc/none",
        "TORCH_USE_RTLD_GLOBAL": "1",
        "TORCHDYNAMO_DISABLE": "1",
        "PYTORCH_CUDA_ALLOC_CONF": "nonsense",
        "PYTORCH_ALLOC_CONF": "nonsense",
        "PYTORCH_JIT": "0",
        "ATEN_CPU_CAPABILITY": "nonsense",
    },
    "settings of threads and cards": {
        "OMP_NUM_THREADS": "many",
        "OMP_PROC_BIND": "nonsense",
        "OMP_STACKSIZE": "nonsense",
        "OMP_DISPLAY_ENV": "VERBOSE",
        "KMP_SETTINGS": "1",
        "ONEDNN_VERBOSE": "all",
        "MKL_VERBOSE": "1",
        "OPENVINO_LOG_LEVEL": "5",
        "MKL_NUM_THREADS": "-1",
        "OPENBLAS_NUM_THREADS": "0",
        "KMP_AFFINITY": "nonsense",
        "CUDA_VISIBLE_DEVICES": "nonsense",
        "CUDA_HOME": "/gone",
        "CUDA_CACHE_PATH": "/proc/none",
        "TRITON_CACHE_DIR": "/proc/none",
        "LD_LIBRARY_PATH": "/gone",
    },
}
PRELOADED = {"LD_PRELOAD": "/gone.so"}
"""Apart from the others, because the system names the file on standard error for each program, launch.sh itself included."""


def foreign(name: str, tmp_path: Path) -> dict[str, str]:
    shadows = tmp_path / "shadows"
    for module in SHADOWS:
        program(shadows / f"{module}.py", SHADOW)
    return {variable: value.format(shadows=shadows) for variable, value in FOREIGN[name].items()}


def launch_and_fetch(folder: Folder, variables: dict[str, str], *arguments: str, outputs: Path | None = None) -> None:
    """Start by launch.sh, see the page at the port that was asked for, and an image in ``outputs`` if that is given; end it;
    nothing is left and nothing was said of it."""
    port = free_port()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        [str(folder.root / "launch.sh"), "--port", str(port), "--no-browser", *arguments],
        env={**os.environ, "PATH": path, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        said = []
        while (line := process.stdout.readline()) and not line.startswith("Easel is at"):
            said.append(line)
        assert line == f"Easel is at http://127.0.0.1:{port}\n", (
            "".join(said) + process.stderr.read() + (folder.state / "setup.log").read_text("utf-8")
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(f"http://127.0.0.1:{port}/", timeout=60).status == 200
        until(lambda: outputs is None or any(outputs.rglob("*.png")))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        complaints = [line for line in process.stderr if "LD_PRELOAD" not in line]
        assert "Traceback" not in process.stdout.read() and complaints == []
    finally:
        process.kill()


@pytest.fixture
def ready_house(small_house: Folder, home: Path) -> Folder:
    """The small house with an environment, which is the one that the tests run in."""
    program(small_house.python, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    small_house.mark_ready(set())
    return small_house


@pytest.mark.parametrize("name", FOREIGN)
def test_the_launcher_gives_its_port_to_the_studio(ready_house: Folder, tmp_path: Path, name: str) -> None:
    launch_and_fetch(ready_house, foreign(name, tmp_path))


def test_a_set_up_succeeds_under_all_of_them(small_house: Folder, home: Path, tmp_path: Path) -> None:
    everything = {variable: value for name in FOREIGN for variable, value in foreign(name, tmp_path).items()}
    launch_and_fetch(small_house, everything)
    assert small_house.is_ready(set())


def real_house(folder: Folder) -> Folder:
    """The whole Easel, with the environment that the tests run in."""
    for name in ("app.py", "api", "cli", "engine", "ui", "models", "pyproject.toml", "constraints.txt"):
        (folder.root / name).unlink(missing_ok=True)
        (folder.root / name).symlink_to(HOUSE / name)
    folder.mark_ready(set())
    return folder


def test_the_studio_starts_under_all_of_them(ready_house: Folder, tmp_path: Path) -> None:
    everything = {variable: value for name in FOREIGN for variable, value in foreign(name, tmp_path).items()}
    places = ["--data", str(tmp_path / "data"), "--outputs", str(tmp_path / "outputs")]
    launch_and_fetch(real_house(ready_house), everything, *places)


@pytest.mark.long
@pytest.mark.parametrize("name", [*FOREIGN, "a preloaded library"])
def test_the_studio_draws_under_each_of_them(ready_house: Folder, tmp_path: Path, name: str) -> None:
    variables = foreign(name, tmp_path) if name in FOREIGN else PRELOADED
    outputs = tmp_path / "outputs"
    (tmp_path / "data").mkdir()
    waiting = Journal(tmp_path / "data" / "journal.db")
    waiting.add("waiting", "", TextToImage(prompt="a cat on the beach", seed=1, steps=1, width=64, height=64))
    waiting.close()
    places = ["--data", str(tmp_path / "data"), "--outputs", str(outputs)]
    launch_and_fetch(real_house(ready_house), variables, *places, outputs=outputs)
