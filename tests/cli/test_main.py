"""The commands: in this process, and through an Easel that runs."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

import cli
import launch
from cli.main import main
from engine.jobs import claim
from engine.records import metadata
from tests.api.images import PICTURE
from tests.api.serving import SCRIPTED, Served, serve_api

Run = Callable[..., int]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_api(tmp_path_factory.mktemp("running")) as opened, claim(opened.settings.data) as claimed:
        claimed.publish_url(opened.url)
        yield opened


@pytest.fixture(params=["in the process", "through a running one"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    if request.param == "in the process":
        folder = tmp_path
    else:
        folder = request.getfixturevalue("served").settings.data.parent
    return lambda *words: main([*map(str, words), "--data", str(folder / "data"), "--outputs", str(folder / "outputs")], SCRIPTED)


def test_a_picture_is_written_with_its_record_and_never_over_another(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cat.png"
    asked = ("make", "a cat", "--seed", "1", "--size", "64x72", "--out", out)
    assert run(*asked) == 0 and "its seed is 1" in capsys.readouterr().out
    record = metadata.read(out)
    assert record is not None and record.resolved.request.prompt == "a cat"
    assert run(*asked) == 1 and "--force" in capsys.readouterr().err
    assert run(*asked, "--force") == 0
    capsys.readouterr()
    assert run("make", "two", "--count", "2", "--out", tmp_path / "two.png", "--json") == 0
    assert [json.loads(line)["path"] for line in capsys.readouterr().out.splitlines()] == [
        str(tmp_path / "two-1.png"), str(tmp_path / "two-2.png"),
    ]  # fmt: skip
    larger = tmp_path / "large.png"
    assert run("upscale", out, "--factor", "2", "--out", larger) == 0
    assert Image.open(larger).size == (64, 64)  # what the scripted engine makes
    said = capsys.readouterr().out
    assert str(larger) in said and "seed" not in said, "nothing was drawn by chance"
    assert run("jobs", "--json", "--limit", "2") == 0
    assert [job["state"] for job in json.loads(capsys.readouterr().out)] == ["finished"] * 2


def test_what_goes_wrong_is_one_sentence_and_a_status(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("make", "script: fail"), ("make", "x", "--steps", "0"), ("make", "x", "--size", "big"), ("info", tmp_path)):
        assert run(*words) == 1
        said = capsys.readouterr()
        assert said.out == "" and len(said.err.splitlines()) == 1 and said.err.strip().endswith(".")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe has no name on this system")
@pytest.mark.parametrize("command", ["upscale", "info"])
def test_what_is_no_file_is_not_waited_for(run: Run, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero"), tmp_path):
        assert run(command, path, *(("--out", tmp_path / "out.png") if command == "upscale" else ())) == 1
        said = capsys.readouterr()
        assert "not a file" in said.err or "no picture" in said.err or "folder" in said.err, said


def test_prompts_are_read_from_standard_input(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a cat\n\na dog, red\n"))
    assert run("make", "-", "--out", tmp_path / "x.png", "--seed", "3") == 0
    records = [metadata.read(tmp_path / f"x-{number}.png") for number in (1, 2)]
    assert [record.resolved.request.prompt for record in records if record] == ["a cat", "a dog, red"]
    monkeypatch.setattr("sys.stdin", io.StringIO('prompt,seed,steps\n"a cat, red",5,\na dog,,2\n'))
    assert run("make", "-", "--out", tmp_path / "y.png", "--seed", "3") == 0
    requests = [record.resolved.request for n in (1, 2) if (record := metadata.read(tmp_path / f"y-{n}.png"))]
    assert [(r.prompt, r.seed) for r in requests] == [("a cat, red", 5), ("a dog", 3)] and requests[1].steps == 2
    capsys.readouterr()
    assert run("plan", "a cat") == 0 and json.loads(capsys.readouterr().out)["request"]["steps"]


def test_the_rest_needs_no_queue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ("--data", str(tmp_path))
    assert main(["list", "sampler", "--json", *folder]) == 0
    assert {"kind": "sampler", "name": "Euler"} in json.loads(capsys.readouterr().out)
    (tmp_path / "a.png").write_bytes(PICTURE)
    assert main(["info", str(tmp_path / "a.png"), *folder]) == 0 and "32 x 24" in capsys.readouterr().out
    assert main(["key", "add", "notes", *folder]) == 0 and capsys.readouterr().out.startswith("easel-")
    assert main(["key", "list", *folder]) == 0 and capsys.readouterr().out.startswith("notes")
    assert main(["key", "revoke", "notes", *folder]) == 0 and main(["key", "revoke", "notes", *folder]) == 1


def test_the_launcher_knows_the_same_words() -> None:
    assert launch.COMMANDS == cli.COMMANDS
