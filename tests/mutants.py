"""Breaks tables and the queue one place at a time and runs the tests that should notice: ``python -m tests.mutants [SECONDS]``.

A mutant is one changed constant, comparison or ``and``/``or``. It is killed when a test fails, and survives when all pass: then
no test speaks of that place, or the change makes no difference. Everything happens in a copy of the source.
"""

from __future__ import annotations

import ast
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
COPIED = ("engine", "launcher", "models", "tests", "ui", "app.py", "launch.py", "pyproject.toml")

TESTS = {
    "engine/requests/limits.py": ("tests/engine/requests",),
    "engine/generate/samplers/pairs.py": ("tests/engine/generate/test_samplers.py",),
    "engine/generate/samplers/create.py": ("tests/engine/generate/test_samplers.py",),
    "engine/plan/precision.py": ("tests/engine/plan/test_precision.py",),
    "engine/plan/precision_table.py": ("tests/engine/plan/test_precision.py",),
    "engine/plan/memory.py": ("tests/engine/plan/test_memory.py",),
    "engine/plan/ladder.py": ("tests/engine/plan/test_memory.py",),
    "engine/checkpoints/families/stable_diffusion_1.py": ("tests/engine/checkpoints/test_families.py",),
    "engine/checkpoints/families/stable_diffusion_2.py": ("tests/engine/checkpoints/test_families.py",),
    "engine/checkpoints/families/stable_diffusion_xl.py": ("tests/engine/checkpoints/test_families.py",),
    "engine/jobs/queue.py": ("tests/engine/jobs/test_queue.py", "tests/engine/jobs/test_device_runner.py"),
    "engine/jobs/journal.py": ("tests/engine/jobs/test_journal.py", "tests/engine/jobs/test_queue.py"),
}
"""File to break -> the quick tests that should notice."""

OPPOSITE: dict[type[ast.cmpop], str] = {
    ast.Lt: ">=", ast.LtE: ">", ast.Gt: "<=", ast.GtE: "<", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """The source between two places of a file, and what stands there instead."""

    where: str
    line: int
    start: int
    end: int
    instead: str
    before: str

    def __str__(self) -> str:
        return f"{self.where}:{self.line} {self.before!r} -> {self.instead!r}"

    def apply(self, house: Path) -> str:
        """Write the changed file below ``house`` and return what was in it."""
        path = house / self.where
        text = path.read_bytes()
        path.write_bytes(text[: self.start] + self.instead.encode() + text[self.end :])
        return text.decode()


def find_mutants(where: str, house: Path = HOUSE) -> Iterator[Mutant]:
    """Every place of a file that can be broken."""
    text = (house / where).read_bytes()
    tree = ast.parse(text)
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}

    def replace(node: ast.expr, instead: str) -> Mutant:
        assert node.end_lineno is not None and node.end_col_offset is not None
        start, end = lines[node.lineno - 1] + node.col_offset, lines[node.end_lineno - 1] + node.end_col_offset
        return Mutant(where, node.lineno, start, end, instead, text[start:end].decode())

    formatted = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in docstrings or id(node) in formatted:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield replace(node, str(not node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield replace(node, repr(node.value + 1))
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
            yield replace(node, f"({left} {OPPOSITE[type(node.ops[0])]} {right})")
        elif isinstance(node, ast.BoolOp):
            sign = " or " if isinstance(node.op, ast.And) else " and "
            yield replace(node, "(" + sign.join(f"({ast.unparse(value)})" for value in node.values) + ")")


def is_killed(mutant: Mutant, house: Path) -> bool:
    """Whether a test fails, or never ends, with the mutant in the source."""
    before = mutant.apply(house)
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "--timeout=60", "-p", "no:cacheprovider", *TESTS[mutant.where]]
    try:
        return subprocess.run(command, cwd=house, capture_output=True, timeout=240).returncode != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        (house / mutant.where).write_text(before, "utf-8")


def copy_source(folder: Path) -> Path:
    """A copy of what the tests need. ``models`` is only linked."""
    for name in COPIED:
        source = HOUSE / name
        if name == "models":
            (folder / name).symlink_to(source)
        elif source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def run_mutants(seconds: float, seed: int = 0) -> tuple[list[Mutant], list[Mutant]]:
    """Killed and surviving mutants, as many as fit into ``seconds``: the files take turns, the places are drawn by ``seed``."""
    drawn = random.Random(seed)
    places = {where: list(find_mutants(where)) for where in TESTS}
    for mutants in places.values():
        drawn.shuffle(mutants)
    killed: list[Mutant] = []
    survived: list[Mutant] = []
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        house = copy_source(Path(folder))
        while any(places.values()):
            for mutants in places.values():
                if not mutants:
                    continue
                if time.monotonic() > until:
                    return killed, survived
                mutant = mutants.pop()
                fate = killed if is_killed(mutant, house) else survived
                fate.append(mutant)
                print("killed  " if fate is killed else "SURVIVED", mutant, flush=True)
    return killed, survived


if __name__ == "__main__":
    dead, alive = run_mutants(float(sys.argv[1]) if len(sys.argv) > 1 else 1500)
    print(f"{len(dead)} killed, {len(alive)} survived")
