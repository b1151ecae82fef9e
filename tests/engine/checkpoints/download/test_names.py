"""Whatever a hub, a link or a server calls a file, it becomes a new file or folder in the models folder and nothing else."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.checkpoints.download import hub
from engine.checkpoints.download.hub import choose_files
from engine.checkpoints.download.names import is_safe_inside, make_safe_name
from engine.checkpoints.download.part_file import DownloadProgress
from engine.checkpoints.download.plan import DownloadPlan, PlannedFile
from engine.checkpoints.download.sources import DownloadSource, read_link
from engine.checkpoints.download.transfer import fetch_plan
from engine.checkpoints.library.search_paths import ENDINGS, PROGRAMS, find_program
from engine.errors import DownloadError
from tests.engine.checkpoints.download.conftest import NAME, WHOLE, Server, get, quiet

HOSTILE = (
    "..", "../evil", "..\\evil", "..\\..\\evil", "a/../../evil", "/etc/evil", "\\\\host\\share\\evil", "C:evil",
    "C:\\evil", "c:/evil", "CON", "con", "nul", "AUX.tar", "COM1", "lpt9.x", "COM¹", "CONIN$", "evil.", "evil ", "evil...",
    " evil", "-evil", "~evil",
    "ev\0il", "ev\nil", "ev\x7fil", "ev\u202eil", "ev\u200bil", "ev\ud800il", "a" * 300, "ж" * 300, "🐍" * 300, "a.b" * 200,
    "starter", "Starter", "STARTER.", "evil:stream", "evil|pipe", "evil*?", "evil<>", 'evil"', "", ".", "...", ".hidden",
    "%2e%2e%2f", "${HOME}", "`id`", "$(id)", "e\u0301vil", "evil.part", "evil.part.json", ".git",
)  # fmt: skip
"""Names without an ending; each is tried with those of weights, too."""


def check(name: str) -> None:
    """``name`` is one plain part that every system can make."""
    assert name == Path(name).name == PureWindowsPath(name).name and name not in ("", ".", "..")
    assert len(name.encode()) <= 160 and name.isprintable() and name == name.strip(". ") and not name.startswith((".", "~"))
    assert not set(name) & set('<>:"|?*\\/')
    stem = name.split(".")[0].casefold()
    assert stem not in (
        "con",
        "prn",
        "aux",
        "nul",
        "conin$",
        "conout$",
        *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"),
    )
    assert not name.casefold().endswith(".part")
    assert name.casefold().removesuffix(".safetensors") != "starter"


@settings(max_examples=60)
@given(st.text(max_size=80), st.sampled_from(("", *ENDINGS)))
@example("..\\CON. ", ".safetensors")
@example("a" * 149 + ".", ".ckpt")
def test_any_text_becomes_a_plain_name(text: str, ending: str) -> None:
    check(make_safe_name(text + ending))


@pytest.mark.parametrize("ending", ["", ".safetensors", ".SafeTensors", ".ckpt"])
def test_hostile_names_become_plain_ones(ending: str) -> None:
    for hostile in HOSTILE:
        check(make_safe_name(hostile + ending))
        check(DownloadSource(repository="owner/x", file=hostile + ending).name)
        if "\ud800" not in hostile:
            check(read_link(f"https://models.example/a/{urllib.parse.quote(hostile + ending, safe='')}?x=../y").name)


def test_a_name_keeps_what_is_harmless() -> None:
    for name in ("Dream (v2) [final].safetensors", "модель-1.5.ckpt", "模型.safetensors", "a.b-c_d.pt", "vae.safetensors"):
        assert make_safe_name(name) == name


@pytest.mark.parametrize("name", [*PROGRAMS, "loras", "VAE", "models", "custom_nodes", "venv"])
def test_no_folder_changes_how_the_models_folder_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / make_safe_name(name)).mkdir()
    assert find_program(tmp_path) == "" and make_safe_name(name) != name


def test_a_link_is_saved_under_a_plain_name_inside_the_folder(server: Server, tmp_path: Path) -> None:
    for hostile in HOSTILE:
        if "\ud800" in hostile:
            continue
        link = read_link(f"{server.base}/{urllib.parse.quote(hostile, safe='')}.safetensors")
        path = fetch_plan(hub.look(link, control=server.agreed()), tmp_path / "models", server.agreed(), quiet)
        assert path.parent == tmp_path / "models" and path.read_bytes() == WHOLE
        path.unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["models"] and not list((tmp_path / "models").iterdir())


DISPOSITIONS = {
    'attachment; filename="sent.safetensors"': "sent.safetensors",
    "attachment; filename*=UTF-8''%D0%BC%D0%BE%D0%B4.ckpt": "мод.ckpt",
    'attachment; filename="../../evil.safetensors"': "evil.safetensors",
    'attachment; filename="..\\\\..\\\\evil.safetensors"': "evil.safetensors",
    'attachment; filename="/etc/cron.d/evil.ckpt"': "evil.ckpt",
    'attachment; filename="starter.safetensors"': "starter_.safetensors",
    "attachment; filename*=nonsense''%FF.ckpt": None,
    'attachment; filename="evil.py"': None,
    'attachment; filename="evil.safetensors.exe"': None,
    "attachment": None,
}  # fmt: skip


@pytest.mark.parametrize("disposition", DISPOSITIONS)
def test_a_servers_name_is_taken_where_the_link_has_none(disposition: str, server: Server) -> None:
    server.headers = {"Content-Disposition": disposition}
    link, name = DownloadSource(link=f"{server.base}/api/download/12345"), DISPOSITIONS[disposition]
    server.head_status = 405
    server.api = {}
    if name is None:
        with pytest.raises(DownloadError, match="not a checkpoint"):
            hub.look(link, control=server.agreed())
    else:
        server.head_status = 200
        assert hub.look(link, control=server.agreed()).name == name


@pytest.mark.parametrize(
    "ending", [".py", ".exe", ".sh", ".bat", ".zip", ".html", ".json", ".yaml", ".part", ".lnk", ".so", ".dll", ""]
)
def test_only_weights_are_downloaded(ending: str, server: Server) -> None:
    with pytest.raises(DownloadError, match=r"not a checkpoint.*\.safetensors"):
        hub.look(DownloadSource(link=f"{server.base}/evil{ending}"), control=server.agreed())
    with pytest.raises(DownloadError, match="not a checkpoint"):
        hub.look(DownloadSource(repository="owner/thing", file=f"evil{ending}"), server.base)


def test_a_folder_takes_only_plain_names() -> None:
    good = ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "tokenizer/merges.txt"]
    bad = [
        f"unet/{name}{ending}" for name in HOSTILE for ending in (".json", ".safetensors") if name not in ("starter", "Starter")
    ]
    bad += [f"{name}/config.json" for name in HOSTILE if name not in ("starter", "Starter")]
    bad += ["/unet/config.json", "C:/unet/config.json", "unet//config.json", "unet/./config.json", "unet/a/b/c/d/config.json"]
    taken = choose_files([*good, *bad, "unet/evil.py", "evil.py"])
    assert set(good) <= set(taken)
    for name in taken:
        assert is_safe_inside(name)
        for part in PurePosixPath(name).parts:
            check(part if part.casefold() != "starter" else "x")
    with pytest.raises(DownloadError, match="too many files"):
        choose_files([*good, *(f"unet/{n}.json" for n in range(2000))])


@pytest.mark.parametrize("sibling", ["../../evil.json", {"a": 1}, None, 7, ["x"]])
def test_an_odd_list_of_the_hub_is_a_sentence_or_left_out(sibling: str, server: Server) -> None:
    server.api = {"siblings": [{"rfilename": sibling}, {"rfilename": "model_index.json", "size": -5, "lfs": 3}]}
    try:
        plan = hub.look(DownloadSource(repository="owner/thing"), server.base)
    except DownloadError as error:
        assert "cannot be read" in str(error)
    else:
        assert list(plan.files) == [PurePosixPath("model_index.json")] and plan.bytes == 0


@pytest.mark.parametrize("answer", [{}, {"siblings": None}, {"siblings": 3}, {"siblings": [3]}, {"siblings": [[]]}, []])
def test_an_odd_answer_of_the_hub_is_a_sentence(answer: dict[str, None], server: Server) -> None:
    server.api = answer
    with pytest.raises(DownloadError, match=r"no diffusers folder|cannot be read"):
        hub.look(DownloadSource(repository="owner/thing"), server.base)


def make_file(target: Path) -> None:
    target.write_bytes(b"mine")


def make_folder(target: Path) -> None:
    target.mkdir()


def make_dangling_link(target: Path) -> None:
    target.symlink_to(target.parent / "nowhere")


@pytest.mark.parametrize("make", [make_file, make_folder, make_dangling_link])
@pytest.mark.parametrize("late", [False, True])
def test_what_is_there_already_is_never_replaced(
    make: Callable[[Path], None], late: bool, server: Server, tmp_path: Path
) -> None:
    """Neither before a download, nor by one that ends after another program has put something there."""
    target = tmp_path / NAME
    made = iter([make])

    def make_once(progress: DownloadProgress | None = None) -> None:
        for each in made:
            each(target)

    if not late:
        make_once()
    plan = DownloadPlan(name=NAME, files={PurePosixPath(): PlannedFile(DownloadSource(link=server.url), len(WHOLE), "")})
    with pytest.raises(DownloadError, match=r"already|cannot be written"):
        fetch_plan(plan, tmp_path, server.agreed(), make_once)
    assert target.is_symlink() or target.is_dir() or target.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


def test_another_name_of_the_same_file_in_a_folder_that_ignores_case_is_not_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME.upper()).write_bytes(b"mine")
    if (tmp_path / NAME).exists():
        with pytest.raises(DownloadError, match="already"):
            get(server, tmp_path)
    assert (tmp_path / NAME.upper()).read_bytes() == b"mine"
