"""``pytest -m fast``: many tests, and none of those that import torch, start processes or open browsers."""

from __future__ import annotations

import subprocess
import sys

from tests.fast import HOUSE, imports_torch, is_fast, top_imports

COLLECT = """
import sys, pytest
status = pytest.main(["-m", "fast", "--collect-only", "-q", "-p", "no:cacheprovider"])
assert not {"torch", "playwright"} & set(sys.modules), "collecting the fast tests imported torch or a browser"
sys.exit(status)
"""


def test_at_least_300_tests_are_fast_and_import_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", COLLECT], cwd=HOUSE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(tests) >= 300
    assert not any(line.startswith(("tests/engine/generate", "tests/ui/browser", "tests/launcher")) for line in tests)


def test_what_imports_torch_by_way_of_another_module_is_seen() -> None:
    assert imports_torch(HOUSE / "engine/generate/denoise.py")
    assert imports_torch(HOUSE / "tests/engine/prompt/test_encode.py")
    assert imports_torch(HOUSE / "tests/engine/checkpoints/library/test_catalogue.py")  # through a constant of another test file
    assert not imports_torch(HOUSE / "tests/engine/prompt/test_grammar.py")
    assert is_fast(HOUSE / "tests/engine/prompt/test_grammar.py")


def test_imports_in_functions_and_for_the_type_checker_are_not_executed() -> None:
    assert "engine.local.Local" not in top_imports(HOUSE / "engine/__init__.py")
