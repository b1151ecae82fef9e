"""Breaks tables and the queue one place at a time and runs the tests that should notice: ``python -m tests.mutants [SECONDS]``.

A mutant is one changed number, truth value, comparison or ``and``/``or``. It is killed when a test fails, and survives when all
pass: then no test speaks of that place, or the change makes no difference. Everything happens in a copy of the source.
"""

from __future__ import annotations

import ast
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HOUSE = Path(__file__).resolve().parent.parent
COPIED = ("api", "cli", "engine", "launcher", "models", "tests", "ui", "app.py", "launch.py", "pyproject.toml")

PLAN = (
    "tests/engine/plan/test_memory.py",
    "tests/engine/plan/test_pinned_values.py",
    "tests/engine/plan/test_precision.py",
    "tests/engine/plan/test_remedies.py",
)
TESTS = {
    "engine/requests/limits.py": ("tests/engine/requests",),
    "engine/generate/samplers/pairs.py": ("tests/engine/generate/test_samplers.py",),
    "engine/generate/samplers/create.py": ("tests/engine/generate/test_samplers.py",),
    "engine/plan/precision.py": PLAN,
    "engine/plan/precision_table.py": PLAN,
    "engine/plan/memory.py": PLAN,
    "engine/plan/ladder.py": PLAN,
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


_MOMENTS = itertools.count(10**18, 10**10)


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
        os.utime(path, ns=(0, next(_MOMENTS)))  # bytecode of the file as it was is told by time and size
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
            yield replace(node, repr(node.value + 1 if abs(node.value) < 8 else node.value * 2))
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
            yield replace(node, f"({left} {OPPOSITE[type(node.ops[0])]} {right})")
        elif isinstance(node, ast.BoolOp):
            sign = " or " if isinstance(node.op, ast.And) else " and "
            yield replace(node, "(" + sign.join(f"({ast.unparse(value)})" for value in node.values) + ")")


class Runner:
    """Runs tests in a copy of the source. The process behind it has imported the large libraries, but nothing of Easel's."""

    def __init__(self, house: Path) -> None:
        self.house = house
        command = [sys.executable, "-m", "tests.mutant_runner"]
        self._process = subprocess.Popen(command, cwd=house, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._process:
            self._process.kill()

    def passes(self, tests: Sequence[str]) -> bool:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(["-q", "-x", "--timeout=300", "-p", "no:cacheprovider", *tests]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline()) == 0

    def kills(self, mutant: Mutant) -> bool:
        """Whether a test fails, or never ends, with the mutant in the source."""
        before = mutant.apply(self.house)
        try:
            return not self.passes(TESTS[mutant.where])
        finally:
            (self.house / mutant.where).write_text(before, "utf-8")


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
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        runner = stack.enter_context(Runner(copy_source(Path(folder))))
        for tests in set(TESTS.values()):
            assert runner.passes(tests), f"{tests} fail with nothing broken"
        while any(places.values()):
            for mutants in places.values():
                if not mutants:
                    continue
                if time.monotonic() > until:
                    return killed, survived
                mutant = mutants.pop()
                fate = killed if runner.kills(mutant) else survived
                fate.append(mutant)
                print("killed  " if fate is killed else "SURVIVED", mutant, flush=True)
    return killed, survived


if __name__ == "__main__":
    dead, alive = run_mutants(float(sys.argv[1]) if len(sys.argv) > 1 else 1500)
    print(f"{len(dead)} killed, {len(alive)} survived")
