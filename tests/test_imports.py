"""The house: which room may import which. Read from the source with ast, so a lazy import counts like any other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
SOURCES = [*sorted(p for folder in ("engine", "api", "cli", "ui") for p in (HOUSE / folder).rglob("*.py")), HOUSE / "app.py"]

WORDS = (
    "engine.requests",
    "engine.events",
    "engine.errors",
    "engine.settings",
    "engine.stopping",
    "engine.descriptions",
    "engine.json_values",
    "engine.safe_text",
    "engine.offline",
    "engine.seeds",
)
ROOMS = {
    "engine.storage": (),
    "engine.preferences": ("engine.storage",),
    "engine.plan": ("engine.storage", "engine.checkpoints.families"),
    "engine.checkpoints": ("engine.preferences", "engine.storage", "engine.compat"),
    "engine.prompt": ("engine.storage", "engine.compat"),
    "engine.records": ("engine.storage",),
    "engine.negative": ("engine.prompt", "engine.records", "engine.storage"),
    "engine.generate": (
        "engine.plan",
        "engine.checkpoints",
        "engine.prompt",
        "engine.negative",
        "engine.preferences",
        "engine.records",
        "engine.storage",
        "engine.compat",
    ),
    "engine.compat": (),
    "engine.idle": (
        "engine.generate",
        "engine.plan",
        "engine.checkpoints",
        "engine.prompt",
        "engine.preferences",
        "engine.compat",
    ),
    "engine.local": (
        "engine.generate",
        "engine.idle",
        "engine.plan",
        "engine.checkpoints",
        "engine.prompt",
        "engine.records",
        "engine.storage",
    ),
    "engine.jobs": ("engine.records", "engine.storage"),
    "engine.testing": ("engine.preferences", "engine.negative", "engine.prompt", "engine.records", "engine.storage"),
}
"""Room -> the rooms it may import, beside the words and itself."""

TORCH = ("torch", "torchvision", "diffusers", "transformers", "accelerate", "spandrel", "peft")
TORCH_ROOMS = (
    "engine.plan.hardware.probe",
    "engine.plan.hardware.kernel_trial",
    "engine.plan.hardware.precision_trial",
    "engine.checkpoints.load",
    "engine.checkpoints.files.tensors",
    "engine.checkpoints.adapters",
    "engine.checkpoints.cache",
    "engine.checkpoints.loaded",
    "engine.compat",
    "engine.prompt.encoding",
    "engine.generate",
    "engine.idle.free_memory",
    "engine.idle.reference_images",
    "engine.local",
)
"""The only rooms that know torch; a name covers what lies under it."""


def name_of(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every name that a file imports, at the top or inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; the house uses full names"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def under(name: str, *rooms: str) -> bool:
    """Whether ``name`` is one of ``rooms`` or lies in one."""
    return any(name == room or name.startswith(room + ".") for room in rooms)


def forbidden(importer: str, imported: str) -> str | None:
    """Why this edge may not be, or None."""
    top = imported.split(".")[0]
    if top in ("training", "benchmarks", "tests"):
        return "nobody imports training, benchmarks or tests"
    if importer.startswith("engine") and top in ("gradio", "ui", "api", "app"):
        return "the engine knows nothing of the page and of the API"
    if importer.startswith(("api", "cli")) and top in ("gradio", "ui", "app"):
        return "the API and the commands know nothing of the page"
    if importer.startswith(("ui", "api", "cli", "app")) and top in TORCH:
        return "the page and the API know nothing of torch"
    if top in TORCH and not importer.startswith(TORCH_ROOMS):
        return "this room knows nothing of torch"
    room = next((room for room in ROOMS if under(importer, room)), None)
    if room and top == "engine" and not under(imported, room, *WORDS, *ROOMS[room]):
        return f"{room} may import only the words and {ROOMS[room] or 'nothing else'}"
    if under(importer, *WORDS) and top == "engine" and not under(imported, *WORDS):
        return "the words import only words"
    return None


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    wrong = {i: why for i in imports(path) if (why := forbidden(name_of(path), i))}
    assert not wrong


def test_the_rule_sees_what_it_forbids() -> None:
    assert forbidden("ui.common.form", "torch.nn")
    assert forbidden("engine.records.outputs", "engine.generate.denoise")
    assert forbidden("engine.plan.precision", "torch")
    assert forbidden("engine.jobs.queue", "gradio")
    assert forbidden("engine.jobs.queue", "api.names")
    assert forbidden("api.names", "ui.messages")
    assert not forbidden("ui.server.serve", "api.application")
    assert not forbidden("engine.generate.denoise", "engine.plan.hardware.probe")
