"""Files that others may have put there are opened as regular files only; these alone are read in another way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[3]

OWN = {
    "engine/checkpoints/download/sources.py": "the catalogue that comes with Easel",
    "engine/checkpoints/families/family.py": "the configurations that come with Easel",
    "engine/checkpoints/files/tensors.py": "the kernel's list of mounts",
    "engine/generate/speed/network_graphs.py": "what was written to a temporary folder just before",
    "engine/generate/tasks/upscale_afterwards.py": "images that the same job has just written",
    "engine/plan/hardware/driver_version.py": "the kernel's word on its drivers",
    "engine/plan/hardware/system.py": "the kernel's word on memory, and the launcher's own stamp",
    "engine/prompt/tokenizer.py": "a folder that was checked before",
    "engine/storage/regular_files.py": "the kernel's list of mounts",
    "ui/compat/frontend.py": "Gradio's scripts, which come with it",
    "ui/tabs/settings/view.py": "the changelog that comes with Easel",
    "ui/server/scripts.py": "scripts that come with Easel",
    "ui/server/websockets.py": "a script that comes with Easel",
}
"""Module -> what it reads without the check."""


def test_what_others_may_have_put_there_is_opened_as_a_regular_file() -> None:
    found = {
        path.relative_to(HOUSE).as_posix()
        for room in ("engine", "api", "cli", "ui")
        for path in sorted((HOUSE / room).rglob("*.py"))
        if any(find_plain_reads(ast.parse(path.read_text("utf-8"))))
    }
    assert found == set(OWN)


def find_plain_reads(module: ast.Module) -> Iterator[ast.Call]:
    """The calls that read a file by its path, whatever it is."""
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        match call.func:
            case ast.Attribute(attr="read_bytes" | "read_text", value=value):
                if not (isinstance(value, ast.Name) and value.id == "self"):
                    yield call
            case ast.Attribute(attr="open", value=ast.Attribute(attr="path") | ast.Name(id="path" | "file" | "source")):
                if any(isinstance(mode, ast.Constant) and mode.value == "rb" for mode in call.args):
                    yield call
            case ast.Name(id="open"):
                if not any(isinstance(mode, ast.Constant) and "w" in str(mode.value) for mode in call.args[1:]):
                    yield call
            case _:
                pass
