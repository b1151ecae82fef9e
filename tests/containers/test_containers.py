"""The container: its files are sound, it holds what Easel needs and no more, and its steps lead to a picture."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from launcher.environment import is_index_reachable
from launcher.uv import UV_VERSION
from tests.containers.dockerfile import Builder, list_context, mount_system, read_entrypoint, read_steps
from tests.fast import reach

HOUSE = Path(__file__).parents[2]
DOCKERFILE, IGNORED = HOUSE / "containers" / "Dockerfile", HOUSE / ".dockerignore"
STEPS = read_steps(DOCKERFILE)
FOLDERS = {"/data", "/outputs", "/models"}


def test_the_dockerfile_is_sound() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint has no build for this computer; the tests of the container's contents run all the same.")
    done = subprocess.run([linter, DOCKERFILE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert subprocess.run(["sh", "-n", HOUSE / "containers" / "start.sh"]).returncode == 0


def test_its_installer_is_the_launchers() -> None:
    assert re.findall(r"uv==([\d.]+)", DOCKERFILE.read_text("utf-8")) == [UV_VERSION]


def test_a_plain_user_runs_it_and_what_is_made_outlives_it() -> None:
    users = [step.rest for step in STEPS if step.word == "USER"]
    assert users and users[-1].split(":")[0] not in ("0", "root")
    (volumes,) = [json.loads(step.rest) for step in STEPS if step.word == "VOLUME"]
    assert set(volumes) == FOLDERS
    (health,) = [step.rest for step in STEPS if step.word == "HEALTHCHECK"]
    assert "/easel/v1/health" in health


@pytest.mark.parametrize("service", ["easel", "easel-cuda"])
def test_compose_keeps_the_page_on_this_computer_behind_a_password(service: str) -> None:
    described = yaml.safe_load((HOUSE / "containers" / "compose.yaml").read_text("utf-8"))
    found = described["services"][service]
    assert {each.partition(":/")[2] for each in found["volumes"]} == {folder[1:] for folder in FOLDERS}
    assert all(each.startswith("127.0.0.1:") for each in found["ports"])
    assert re.match(r"\$\{EASEL_PASSWORD:\?", found["environment"]["EASEL_PASSWORD"])
    assert (HOUSE / "containers" / found["build"]["context"] / found["build"]["dockerfile"]).samefile(DOCKERFILE)
    assert ("deploy" in found) == (service == "easel-cuda")
    assert set(described["volumes"]) == {folder[1:] for folder in FOLDERS}
    chosen = found["build"].get("args", {}).get("TORCH_BACKEND", "cpu")
    assert chosen in (HOUSE / "launcher" / "torch_build" / "choose.py").read_text("utf-8")


def test_it_holds_what_easel_needs_and_nothing_of_the_user() -> None:
    taken = {path.resolve() for path in list_context(HOUSE, IGNORED)}
    roots = {path.relative_to(HOUSE).parts[0] for path in taken}
    assert not roots & {".git", ".venv", "outputs", "tests", "training", "docs"}
    assert reach(HOUSE / "app.py") | reach(HOUSE / "engine" / "local.py") <= taken
    for name in ("containers/start.sh", "models/starter/starter.json", "ui/page.js", "ui/style.css", "pyproject.toml"):
        assert HOUSE / name in taken


def ask(address: str, body: object = None, login: str = "") -> bytes:
    request = urllib.request.Request(
        address, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    with urllib.request.urlopen(request, timeout=300) as answer:
        return answer.read()


def wait_until_healthy(address: str, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            assert json.loads(ask(f"{address}/easel/v1/health"))["status"] == "ok"
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(1)
    raise AssertionError("the container never became healthy")


@pytest.mark.long
def test_its_steps_lead_to_a_picture(tmp_path: Path) -> None:
    if os.name == "nt" or os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("Only root with debootstrap can make the folder that stands for the base image.")
    base = next(step.rest for step in STEPS if step.word == "FROM")
    release = re.fullmatch(r"debian:(\w+)-slim", base)
    assert release
    root, port = tmp_path / "root", 7899
    subprocess.run(["debootstrap", "--variant=minbase", release[1], str(root), find_mirror()], check=True)
    for name in ("etc/resolv.conf", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt"):
        if Path("/", name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("/", name), root / name)
    with mount_system(root):
        builder = Builder(root, HOUSE, IGNORED, {} if is_index_reachable() else {"TORCH_BACKEND": ""})
        for step in STEPS:
            builder.apply(step)
        assert builder.user != "0:0"
        process = builder.start([*read_entrypoint(STEPS), "--port", str(port)], EASEL_PASSWORD="secret")
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_healthy(address)
            with pytest.raises(urllib.error.HTTPError, match="401"):
                ask(f"{address}/sdapi/v1/options")
            asked = {"prompt": "a cat", "steps": 2}
            made = json.loads(ask(f"{address}/sdapi/v1/txt2img", asked, "easel:secret"))
            assert base64.b64decode(made["images"][0]).startswith(b"\x89PNG")
            assert [*(root / "outputs").rglob("*.png")] and (root / "data" / "easel.lock").exists()
        finally:
            process.terminate()
            process.wait(60)


def find_mirror() -> str:
    """Where this computer's own packages come from."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        found = re.search(r"https?://\S+/debian\b", path.read_text("utf-8")) if path.exists() else None
        if found:
            return found[0]
    return "http://deb.debian.org/debian"
