"""From an empty folder to a ready environment: with a real uv, and stand-in packages."""

from __future__ import annotations

import platform
import shutil
import socket
import sys
import tomllib
from pathlib import Path

import pytest

from launcher import environment, uv
from launcher.commands import read_output
from launcher.folder import Folder, Installed
from launcher.progress import Progress
from launcher.setup_errors import SetupError, explain_output
from launcher.torch_build.choose import GIGABYTE, Build
from tests.launcher.conftest import HOUSE, program, wheel


@pytest.fixture
def real_uv(folder: Folder, progress: Progress) -> Path:
    return uv.find_or_install(folder, progress)


@pytest.fixture
def no_torch_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "TORCH_INDEX", "http://127.0.0.1:9/")
    monkeypatch.setattr(environment, "is_index_reachable", lambda: False)


def test_a_whole_set_up_in_a_folder_with_a_space_and_an_accent(
    small_house: Folder, progress: Progress, no_torch_index: None
) -> None:
    environment.prepare(small_house, progress, {"heif"})
    assert small_house.is_ready({"heif"})
    assert progress.notes[-1] == "Pictures will be made on cpu."
    assert read_output([small_house.python, "-c", "import torch; print(torch.__version__)"]) == "9.9"
    assert any("plain package index" in note for note in progress.notes)


def test_a_second_start_touches_nothing(small_house: Folder, progress: Progress, no_torch_index: None) -> None:
    environment.prepare(small_house, progress, set())
    told = len(progress.log_lines())
    environment.prepare(small_house, progress, set())
    assert len(progress.log_lines()) == told


def test_changed_requirements_are_installed_into_what_is_there(
    small_house: Folder, progress: Progress, no_torch_index: None
) -> None:
    environment.prepare(small_house, progress, {"heif"})
    mark = small_house.venv / "mine"
    mark.touch()
    (small_house.root / "constraints.txt").write_text("# newer\n")
    environment.prepare(small_house, progress, set())
    assert mark.exists() and small_house.is_ready({"heif"}), "extras that were asked for once stay"


def test_packages_that_report_on_their_user_go(small_house: Folder, progress: Progress, no_torch_index: None) -> None:
    """An environment that an older Easel made has them; the lists asked for them then, and ask for them here."""
    listed = small_house.root / "pyproject.toml"
    for name in environment.UNWANTED:
        module_name = name.replace("-", "_")
        needed = f'"{name} @ {wheel(small_house.root.parent, module_name, "").as_uri()}", '
        listed.write_text(listed.read_text("utf-8").replace("dependencies = [", f"dependencies = [{needed}", 1), "utf-8")
    environment.prepare(small_house, progress, set())
    assert any(f"+ {environment.UNWANTED[0]}" in said for said in progress.log_lines()), "it was there"
    for name in environment.UNWANTED:
        assert read_output([small_house.python, "-c", f"import {name.replace('-', '_')}"]) is None
    assert small_house.is_ready(set())


def test_easels_own_lists_keep_them_out() -> None:
    settings = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]
    overridden = [line.partition(" ;")[0] for line in settings["override-dependencies"]]
    constrained = (HOUSE / "constraints.txt").read_text("utf-8")
    for name in environment.UNWANTED:
        assert name in overridden and name not in constrained


def test_what_was_cut_off_is_made_anew(small_house: Folder, progress: Progress, no_torch_index: None) -> None:
    environment.prepare(small_house, progress, set())
    module(small_house, "torch").unlink()
    small_house.mark_unfinished()  # as a killed set-up leaves it: begun, never ready
    environment.prepare(small_house, progress, set())
    assert small_house.is_ready(set())
    assert read_output([small_house.python, "-c", "import torch; print(torch.__version__)"]) == "9.9"
    assert any("cut off" in note for note in progress.notes)


@pytest.mark.parametrize(("change", "cache"), [("newer", "kept"), ("newer", "lost"), ("gone", "kept")])
def test_a_replaced_python_makes_it_anew(
    small_house: Folder,
    progress: Progress,
    no_torch_index: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: str,
    cache: str,
) -> None:
    environment.prepare(small_house, progress, {"heif"})
    site_packages = module(small_house, "torch").parent
    site_packages.rename(site_packages.with_name("of-another-version"))  # what a newer Python finds
    site_packages.mkdir()
    if change == "gone":
        small_house.python.unlink()
        small_house.python.symlink_to("/gone/python")
    if cache == "lost":
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    environment.prepare(small_house, progress, set())
    assert small_house.is_ready({"heif"}) and not environment.is_replaced(small_house.python)
    assert not site_packages.with_name("of-another-version").exists(), "nothing of the old one is left"
    assert any("has been replaced" in note for note in progress.notes)
    assert any("--offline" in line for line in progress.log_lines())


@pytest.mark.parametrize("gone", ["the interpreter", "its library"])
def test_an_interpreter_that_does_not_run_counts_as_replaced(folder: Folder, gone: str) -> None:
    if gone == "its library":
        program(folder.python, "#!/bin/sh\nexit 127\n")
    assert environment.is_replaced(folder.python)


def test_repair_does_not_trust_the_cache(small_house: Folder, progress: Progress, no_torch_index: None) -> None:
    environment.prepare(small_house, progress, {"heif"})
    module(small_house, "torch").write_text("")  # a hard link: uv's cache is ruined too
    environment.prepare(small_house, progress, set(), anew=True)
    assert small_house.is_ready({"heif"})
    assert read_output([small_house.python, "-c", "import torch; print(torch.__version__)"]) == "9.9"
    assert not small_house.repair_cache.exists()


def module(folder: Folder, name: str) -> Path:
    return next(folder.venv.glob(f"lib/python*/site-packages/{name}.py"))


@pytest.mark.parametrize("ruin", ["no python", "python does not run", "a file instead", "older python"])
def test_a_ruined_environment_is_made_anew(folder: Folder, progress: Progress, real_uv: Path, ruin: str) -> None:
    if ruin == "a file instead":
        folder.venv.write_text("")
    elif ruin == "no python":
        folder.venv.mkdir()
    else:
        program(folder.python, "#!/bin/sh\necho False\n" if ruin == "older python" else "#!/missing\n")
    assert environment.create_venv(folder, real_uv, progress, Build()) is True
    assert environment.is_supported(folder.python, Build())
    assert environment.create_venv(folder, real_uv, progress, Build()) is False


def test_failing_packages_leave_an_environment_that_is_not_trusted(
    folder: Folder, progress: Progress, no_torch_index: None
) -> None:
    (folder.root / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["torch @ file:///missing.whl"]\n'
    )
    with pytest.raises(SetupError):
        environment.prepare(folder, progress, set())
    assert folder.unfinished.exists() and not folder.is_ready(set())


def test_a_folder_that_cannot_be_written_to_is_a_sentence(
    folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*about: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(environment, "create_venv", refuse)
    with pytest.raises(SetupError) as failed:
        environment.prepare(folder, progress, set())
    assert failed.value.kind == "permission"


def test_the_newest_python_that_fits_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.choose_python(Build()) == sys.executable
    for version in ((3, 8), (3, 15)):
        monkeypatch.setattr(sys, "version_info", version)
        assert environment.choose_python(Build()) == ">=3.11,<3.15"
    assert environment.choose_python(Build(pythons=((3, 11), (3, 14)))) == ">=3.11,<3.14"


def test_no_network_while_looking_for_a_python_is_about_python() -> None:
    assert environment.explain_missing_python(explain_output(["dns error"])).kind == "python"
    assert environment.explain_missing_python(explain_output(["os error 28"])).kind == "disk"


def test_the_probe_of_an_index(progress: Progress) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert not environment.is_index_reachable(f"http://127.0.0.1:{port}/", seconds=0.3), "it takes the call and says nothing"
    assert not environment.is_index_reachable(f"http://127.0.0.1:{port}/", seconds=5), "nobody listens"
    assert not environment.is_index_reachable("http://name.invalid/", seconds=5)


def test_the_plain_index_takes_over_where_pytorchs_has_nothing(folder: Folder, progress: Progress) -> None:
    record = folder.root / "calls"
    script = f'#!/bin/sh\necho "$*" >> "{record}"\ncase "$*" in *--torch-backend*) echo "dns error"; exit 1;; esac\n'
    build = Build("cu132")
    command = environment.install_command(folder, program(folder.tools / "uv", script), {"heif"}, build)
    environment.install(progress, command, folder, build, own_index=True)
    calls = record.read_text("utf-8").splitlines()
    assert [line.endswith("--torch-backend=cu132") for line in calls] == [True, False]
    assert all(f"-c {folder.root}/constraints.txt --extra heif" in line for line in calls)


def test_a_full_disk_is_not_tried_twice(folder: Folder, progress: Progress) -> None:
    record = folder.root / "calls"
    script = f'#!/bin/sh\necho "$*" >> "{record}"\necho "No space left on device"; exit 1\n'
    with pytest.raises(SetupError, match="The disk is full"):
        environment.install(progress, [program(folder.tools / "uv", script)], folder, Build(), own_index=True)
    assert len(record.read_text("utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    ("machine", "backend", "brought"),
    [
        ("x86_64", "cpu", {"openvino"}),
        ("AMD64", "cpu", {"openvino"}),
        ("x86_64", "cu132", set()),
        ("x86_64", "xpu", set()),
        ("arm64", "cpu", set()),
        ("aarch64", "cpu", set()),
    ],
)
def test_what_makes_an_x86_processor_faster_comes_with_the_rest(
    machine: str, backend: str, brought: set[str], folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    uv = program(folder.tools / "uv", "#!/bin/sh\n")
    assert environment.install_extras(folder, uv, progress, {"heif"}, Build(backend), False, []) == {"heif"} | brought


def test_where_it_is_not_published_easel_is_set_up_without(
    folder: Folder, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    script = '#!/bin/sh\ncase "$*" in *openvino*) echo "no wheels with a matching platform tag"; exit 1;; esac\n'
    uv = program(folder.tools / "uv", script)
    assert environment.install_extras(folder, uv, progress, {"heif"}, Build(), True, []) == {"heif"}
    assert "OpenVINO" in progress.notes[-1]
    with pytest.raises(SetupError):
        environment.install_extras(folder, uv, progress, {"openvino"}, Build(), True, [])


@pytest.mark.parametrize(
    ("backend", "free", "refused"), [("cu132", 5, True), ("rocm7.2", 9, False), ("cpu", 5, False), ("cpu", 1, True)]
)
def test_room_is_looked_at_before_the_download(
    folder: Folder, real_uv: Path, backend: str, free: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(folder.root)._replace(free=free * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    needed = Build(backend).disk_space(own_index=True, system="Linux")
    if refused:
        with pytest.raises(SetupError, match=rf"needs about \d GB of free disk space at .+, and there are {free}.0 GB"):
            environment.check_disk_space(folder, real_uv, needed)
    else:
        environment.check_disk_space(folder, real_uv, needed)


def test_the_plain_index_has_the_large_build_on_linux_and_the_small_one_elsewhere() -> None:
    sizes = {system: Build().disk_space(own_index=False, system=system) // GIGABYTE for system in ("Linux", "Windows", "Darwin")}
    assert sizes == {"Linux": 8, "Windows": 3, "Darwin": 3}


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert environment.find_disk(tmp_path / "not" / "yet") == environment.find_disk(tmp_path)


def test_another_build_of_the_same_version_needs_a_new_environment(folder: Folder, progress: Progress, real_uv: Path) -> None:
    environment.create_venv(folder, real_uv, progress, Build())
    folder.mark_ready(set(), Installed("cpu"))
    assert environment.create_venv(folder, real_uv, progress, Build()) is False
    assert environment.create_venv(folder, real_uv, progress, Build("cu132")) is True


def test_a_repair_that_fails_leaves_what_works(small_house: Folder, progress: Progress, no_torch_index: None) -> None:
    environment.prepare(small_house, progress, set())
    listed = (small_house.root / "pyproject.toml").read_text("utf-8")
    (small_house.root / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["torch @ file:///no.whl"]\n', "utf-8"
    )
    with pytest.raises(SetupError):
        environment.prepare(small_house, progress, set(), anew=True)
    (small_house.root / "pyproject.toml").write_text(listed, "utf-8")
    assert small_house.is_ready(set()) and not small_house.set_aside.exists()
    assert read_output([small_house.python, "-c", "import torch; print(torch.__version__)"]) == "9.9"
    environment.prepare(small_house, progress, set(), anew=True)
    assert small_house.is_ready(set()) and not small_house.set_aside.exists()


@pytest.mark.parametrize(
    ("version", "machine", "words"),
    [
        ("13.6.1", "arm64", "macOS 13.6.1, and PyTorch needs macOS 14 or newer"),
        ("11.0", "arm64", "Update macOS"),
        ("14.0", "arm64", ""),
        ("26.1", "arm64", ""),
        ("10.16", "arm64", ""),
        ("15.2", "x86_64", "an Apple chip"),
    ],
)
def test_a_mac_that_pytorch_is_not_made_for_is_said_before_the_download(
    version: str, machine: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "mac_ver", lambda: (version, ("", "", ""), machine))
    if not words:
        environment.check_system()
        return
    with pytest.raises(SetupError, match=words):
        environment.check_system()
