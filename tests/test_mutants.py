"""The tests notice when a table or the queue is broken: most of a sample of mutants are killed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants import HOUSE, TESTS, find_mutants, run_mutants

SOURCE = '''"""A docstring of 1 line."""
LIMIT = 7
def f(a: int) -> bool:
    return a < LIMIT and True
'''


def test_constants_comparisons_and_connectives_are_broken_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "source.py"
    changed = []
    path.write_text(SOURCE, "utf-8")
    for mutant in list(find_mutants("source.py", tmp_path)):
        before = mutant.apply(tmp_path)
        ast.parse(path.read_text("utf-8"))
        changed.append((mutant.before, mutant.instead))
        path.write_text(before, "utf-8")
    assert sorted(changed) == [
        ("7", "8"),
        ("True", "False"),
        ("a < LIMIT", "(a >= LIMIT)"),
        ("a < LIMIT and True", "((a < LIMIT) or (True))"),
    ]


@pytest.mark.parametrize("where", TESTS)
def test_what_is_broken_and_what_should_notice_are_there(where: str) -> None:
    assert list(find_mutants(where))
    assert all((HOUSE / test).exists() for test in TESTS[where])


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_most_mutants_are_killed() -> None:
    killed, survived = run_mutants(25 * 60)
    assert len(killed) >= 3 * len(survived), "\n".join(map(str, survived))
