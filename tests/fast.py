"""Which test files are fast: ``pytest -m fast`` runs those that start no process and no browser and import no torch.

Folders are named here; whether a file imports torch is read from the source, through everything that it imports at its top.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
TORCH = ("torch", "torchvision", "diffusers", "transformers", "accelerate", "spandrel", "peft")
LAZY = ("engine.local", "engine.plan.hardware.kernel_trial", "engine.plan.hardware.precision_trial", "engine.plan.hardware.probe")
"""Modules that import torch when they are used."""

SLOW = (
    "tests/api",
    "tests/attack",
    "tests/benchmarks",
    "tests/card",
    "tests/cli",
    "tests/clients",
    "tests/containers",
    "tests/engine/checkpoints/download/test_cancel.py",
    "tests/engine/checkpoints/download/test_network_errors.py",
    "tests/engine/generate",
    "tests/engine/idle",
    "tests/engine/jobs/test_blob_sweep.py",
    "tests/engine/jobs/test_device_runner.py",
    "tests/engine/jobs/test_durability.py",
    "tests/engine/jobs/test_memory_kill.py",
    "tests/engine/jobs/test_queue.py",
    "tests/engine/plan/test_main.py",
    "tests/engine/storage/test_data_files.py",
    "tests/launcher",
    "tests/training",
    "tests/ui/browser",
    "tests/ui/common/test_follow_job.py",
    "tests/ui/common/test_queue_panel.py",
    "tests/ui/common/test_send_to.py",
    "tests/ui/scripts",
    "tests/ui/server",
    "tests/ui/test_warm.py",
    "tests/test_app.py",
    "tests/test_docs_negatives.py",
    "tests/test_fast.py",
    "tests/test_mutants.py",
    "tests/test_quality.py",
    "tests/test_readme.py",
)
"""Folders and files whose tests start processes or browsers, or compute for long."""


def is_fast(path: Path) -> bool:
    """Whether the tests in a file, or some of those in a folder, are fast."""
    where = path.relative_to(HOUSE).as_posix()
    if any(where == slow or where.startswith(slow + "/") for slow in SLOW):
        return False
    return path.is_dir() or (path.suffix == ".py" and not imports_torch(path))


@cache
def imports_torch(path: Path) -> bool:
    """Whether importing a file imports torch or a library that does."""
    if any(name == lazy or name.startswith(lazy + ".") for name in top_imports(path) for lazy in LAZY):
        return True
    return any(name.split(".")[0] in TORCH for file in reach(path) for name in top_imports(file))


def reach(path: Path) -> set[Path]:
    """The files of this repository that importing ``path`` imports, itself included."""
    found: set[Path] = set()
    ahead = [path]
    while ahead:
        file = ahead.pop()
        if file not in found:
            found.add(file)
            ahead.extend(source for name in top_imports(file) for source in sources(name))
    return found


@cache
def sources(name: str) -> tuple[Path, ...]:
    """The files that importing a dotted name executes: those of the packages above it, and the module that it is or stands in."""
    parts = name.split(".")
    packages = [HOUSE.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    modules = [HOUSE.joinpath(*parts[:depth]).with_suffix(".py") for depth in (len(parts) - 1, len(parts)) if depth]
    return tuple(path for path in (*packages, *modules) if path.is_file())


@cache
def top_imports(path: Path) -> tuple[str, ...]:
    """What a file imports when it is imported: not what stands in a function or is for the type checker."""
    return tuple(_imports(ast.parse(path.read_text("utf-8")).body))


def _imports(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from _imports([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _imports([*node.body, *(statement for handler in node.handlers for statement in handler.body)])
