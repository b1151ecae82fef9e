"""``app.py`` as a process: its address, a second start, a busy port, an end that leaves nothing behind."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from api.reach import find_network_address
from app import find_login
from cli.main import main as run_command

HOUSE = Path(__file__).resolve().parent.parent


@contextmanager
def app(
    folder: Path, *flags: str, prepare: Callable[[], None] | None = None, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """Easel over folders of the test's own. It is killed if the test leaves it running."""
    command = [sys.executable, "-u", "app.py", "--no-browser", "--data", folder / "data", "--outputs", folder / "outputs", *flags]
    alone = {name: text for name, text in os.environ.items() if name != "EASEL_LAUNCHER"} | variables
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=HOUSE, env=alone, stdin=pipe, stdout=pipe, stderr=pipe, text=True, preexec_fn=prepare
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip()


def test_a_damaged_queue_a_busy_port_a_second_start_and_a_clean_end(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "journal.db").write_text("not a database " * 100)
    with socket.create_server(("127.0.0.1", 0)) as busy, app(tmp_path, "--port", str(busy.getsockname()[1])) as first:
        taken = busy.getsockname()[1]
        assert "was damaged, so it was moved to" in line(first)
        said = line(first)
        assert said.startswith(f"Port {taken} is busy, so Easel takes ")
        port = int(said.rpartition(" ")[2].rstrip("."))
        assert line(first) == f"Easel is at http://127.0.0.1:{port}"
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).status == 200
        with app(tmp_path, "--port", str(port)) as second:
            assert line(second) == f"Easel is at http://127.0.0.1:{port}", "the page of the first"
            assert second.wait(60) == 0
        children = psutil.Process(first.pid).children(recursive=True)
        assert children, "the worker"
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 0
        assert psutil.wait_procs(children, timeout=60)[1] == []
        assert first.stderr is not None and first.stderr.read() == ""


@pytest.mark.parametrize("how", ["kill", "the launcher is gone"])
def test_an_end_while_a_page_listens_is_quiet(tmp_path: Path, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with app(tmp_path, "--port", str(port), EASEL_LAUNCHER=f"http://127.0.0.1:{port}/") as process:
        assert line(process) == f"Easel is at http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port)) as page:
            page.sendall(f"GET /gradio_api/heartbeat/a HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            assert page.recv(8) == b"HTTP/1.1"
            children = psutil.Process(process.pid).children(recursive=True)
            if how == "kill":
                process.terminate()
            else:
                assert process.stdin is not None
                process.stdin.close()
            assert process.wait(60) == 0
        assert process.stderr is not None and process.stderr.read() == ""
        assert psutil.wait_procs(children, timeout=60)[1] == []


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with app(tmp_path) as process:
        assert process.wait(60) == 1
        assert process.stderr is not None
        (sentence,) = process.stderr.read().splitlines()
        assert sentence.startswith("Easel cannot store its queue in") and "--data" in sentence


def test_the_page_comes_up_without_torch() -> None:
    code = (
        "import sys, app, ui.server.serve, ui.interface; print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def ask_page(process: subprocess.Popen[str], login: str | None) -> int:
    """The status of the page of ``process`` on this machine."""
    said = line(process)
    while not said.startswith("Easel is at "):
        said = line(process)
    request = urllib.request.Request(said.rpartition(" ")[2])
    if login is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def listens_everywhere(process: subprocess.Popen[str]) -> bool:
    listening = [each for each in psutil.Process(process.pid).net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    return any(each.laddr.ip == "0.0.0.0" for each in listening)


def test_the_password_comes_from_a_variable_that_no_other_process_inherits(tmp_path: Path) -> None:
    with app(tmp_path, "--port", "0", "--listen", "ann", EASEL_PASSWORD="se:cret") as process:
        assert ask_page(process, "ann:se:cret") == 200
        assert listens_everywhere(process)
        if address := find_network_address():
            assert line(process).startswith(f"Other computers on your network find it at http://{address}:")
        children = psutil.Process(process.pid).children(recursive=True)
        assert children and not any("EASEL_PASSWORD" in child.environ() for child in children)


def test_where_a_login_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "password").write_text("se:cret\n")
    (tmp_path / "password").chmod(0o600)
    assert find_login(None, None, None) is None and find_login("anyone", None, None) == "anyone"
    assert find_login("ann", str(tmp_path / "password"), "other") == "ann:se:cret"
    assert capsys.readouterr().out == ""
    assert find_login("ann:se:cret", None, None) == "ann:se:cret"
    assert "--password-file" in capsys.readouterr().out


def test_the_one_that_runs_ends_when_it_is_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ("--data", str(tmp_path / "data"), "--outputs", str(tmp_path / "outputs"))
    with app(tmp_path, "--port", "0") as process:
        assert ask_page(process, None) == 200
        assert run_command(["quit", *folders]) == 0 and "Easel has ended" in capsys.readouterr().out
        assert process.wait(60) == 0
    assert run_command(["quit", *folders]) == 0 and "No Easel runs" in capsys.readouterr().out


def test_without_a_password_this_computer_alone_is_let_in(tmp_path: Path) -> None:
    with app(tmp_path, "--port", "0", "--listen", "ann", EASEL_PASSWORD="") as process:
        assert line(process).startswith("Easel does not listen on the network")
        assert ask_page(process, None) == 200
        assert not listens_everywhere(process)


def obey_permissions() -> None:
    """Take from a process the right to write everywhere, which root has."""
    import ctypes

    drop_from_bounding_set, dac_override = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


@pytest.fixture
def shared_folder(tmp_path: Path) -> Path:
    """A folder for temporary files where another user was first: Gradio's place in it is theirs."""
    taken = tmp_path / "shared" / "gradio"
    taken.mkdir(parents=True)
    taken.chmod(0o555)
    if os.getuid() == 0:
        os.chown(taken, 65534, 65534)
    if subprocess.run(["touch", taken / "file"], preexec_fn=obey_permissions, capture_output=True).returncode == 0:
        pytest.skip("Here nobody can be kept from writing into a folder.")
    return taken.parent


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's capabilities")
def test_gradios_shared_folder_of_another_user_stops_nothing(tmp_path: Path, shared_folder: Path) -> None:
    with app(tmp_path, "--port", "0", prepare=obey_permissions, TMPDIR=str(shared_folder), GRADIO_TEMP_DIR="") as process:
        assert line(process).startswith("Port 0 is busy")
        url = line(process).rpartition(" ")[2]
        with httpx.Client(base_url=url, timeout=60) as client:
            assert client.get("/").status_code == 200
            (path,) = client.post("/gradio_api/upload", files={"files": ("a.png", b"content")}).json()
            assert client.get(f"/gradio_api/file={path}").content == b"content"
        assert (tmp_path / "data" / "uploads") in Path(path).parents
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX's limit of open files")
def test_few_open_files_do_not_flood_the_log(tmp_path: Path) -> None:
    import resource

    def allow_few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    with app(tmp_path, "--port", "0", prepare=allow_few) as process:
        assert line(process).startswith("Port 0 is busy")
        port = int(line(process).rpartition(":")[2])
        opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        for each in opened:
            each.close()
        while True:  # until it has heard that they are gone
            try:
                assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).status == 200
                break
            except (urllib.error.URLError, ConnectionError):
                continue
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert errors == "" and out.count("\n") == 1 and "ulimit -n" in out
