"""Where the password comes from that other computers are asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.process.password import ATTEMPTS, NoPassword, find_password, hand_over_password
from launcher.process.variables import ALL, STUDIO, choose_variables

HOUSE = Path(__file__).resolve().parents[3]
SAYS_WHAT_TO_DO = "does not listen on the network, because .* EASEL_PASSWORD, .* --password-file, .* terminal"

ASK = """
import sys
from launcher.process.password import NoPassword, find_password
try:
    print("chosen", find_password("ann", None, None))
except NoPassword as error:
    print("none", error)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals are POSIX's")


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "password"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def ask_in_terminal(*typed: bytes, background: bool = False) -> str:
    """What :data:`ASK` prints in a terminal of its own in which each question is answered with the next of ``typed``."""
    import pty

    child, terminal = pty.fork()
    if not child:
        os.chdir(HOUSE)
        if background:  # a child of the session's leader, in a process group that the terminal does not belong to
            os._exit(subprocess.call([sys.executable, "-c", f"import os; os.setpgid(0, 0)\n{ASK}"]))
        os.execv(sys.executable, [sys.executable, "-c", ASK])
    said, left = b"", list(typed)
    try:
        while piece := os.read(terminal, 4096):
            said += piece
            if said.endswith(b": ") and left:  # what is typed before a question is thrown away
                os.write(terminal, left.pop(0))
    except OSError:
        pass  # how a terminal ends on Linux
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
    return said.decode()


@pytest.mark.parametrize("content", ["se:cret", "se:cret\n", "se:cret\r\nmore\n", " pass wörd "])
def test_the_first_line_of_a_file_comes_before_the_variable(tmp_path: Path, content: str) -> None:
    file = secret_file(tmp_path, content.encode())
    assert find_password("ann", file, "other") == content.splitlines()[0]


def test_a_pipe_can_be_the_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"secret\n")
    os.close(writing)
    assert find_password("ann", f"/dev/fd/{reading}", None) == "secret"
    os.close(reading)


def test_a_file_that_others_can_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = secret_file(tmp_path, b"secret", 0o644)
    assert find_password("ann", file, None) == "secret"
    assert file in capsys.readouterr().out
    secret_file(tmp_path, b"secret")
    find_password("ann", file, None)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"\n", b"  \nsecret", b"\xff\xfe"])
def test_an_unusable_file_is_no_password(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NoPassword, match=SAYS_WHAT_TO_DO):
        find_password("ann", secret_file(tmp_path, content), "other")


@pytest.mark.parametrize("name", ["gone", "."])
def test_a_file_that_cannot_be_read_is_no_password(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoPassword, match=SAYS_WHAT_TO_DO):
        find_password("ann", str(tmp_path / name), "other")


@pytest.mark.parametrize("variable", ["", "  "])
def test_an_empty_variable_is_no_password(variable: str) -> None:
    with pytest.raises(NoPassword, match=SAYS_WHAT_TO_DO):
        find_password("ann", None, variable)


def test_the_variable_is_the_password_and_reaches_the_studio_alone() -> None:
    assert find_password("ann", None, "se:cret") == "se:cret"
    reached = [process for process in ALL if "EASEL_PASSWORD" in choose_variables(process, {"EASEL_PASSWORD": "secret"})]
    assert reached == [STUDIO]


def test_nobody_is_asked_without_a_terminal() -> None:
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, cwd=HOUSE, input="secret\nsecret\n", capture_output=True, text=True, start_new_session=True)
    assert done.stdout.startswith("none Easel does not listen on the network") and done.stderr == ""


def test_a_terminal_is_asked_twice_and_shows_nothing() -> None:
    said = ask_in_terminal(b"se:cret\n", b"se:cret\n")
    assert said.rstrip().endswith("chosen se:cret")
    assert "“ann”" in said and "once more" in said


@pytest.mark.parametrize("typed", [(b"\n",), (b"one\n", b"two\n") * ATTEMPTS, (b"\x04",)])
def test_what_is_typed_wrong_is_no_password(typed: tuple[bytes, ...]) -> None:
    assert "none Easel does not listen on the network" in ask_in_terminal(*typed)


def test_a_terminal_in_whose_background_this_runs_is_left_alone() -> None:
    assert "none Easel does not listen on the network" in ask_in_terminal(background=True)


def test_the_launcher_hands_the_password_over_without_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = secret_file(tmp_path, b"secret")
    arguments = ["--device", "cpu", "--listen", "ann", "--password-file", file]
    assert hand_over_password(arguments, {}) == (["--device", "cpu", "--listen", "ann"], {"EASEL_PASSWORD": "secret"})
    assert hand_over_password(["--listen=ann"], {"EASEL_PASSWORD": "x"}) == (["--listen", "ann"], {"EASEL_PASSWORD": "x"})
    assert hand_over_password(["--listen", "ann", "--device", "cpu"], {"EASEL_PASSWORD": ""}) == (["--device", "cpu"], {})
    assert "does not listen on the network" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["--listen", "anyone"], ["--listen", "ann:secret"], ["--device", "cpu"], ["--listen", ""]]
)
def test_the_launcher_leaves_alone_what_needs_no_password(arguments: list[str]) -> None:
    assert hand_over_password(arguments, {"EASEL_PASSWORD": "secret"}) == (arguments, {})
