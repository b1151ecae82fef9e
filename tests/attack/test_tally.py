"""A fault that a test counts makes it fail, and appears in the summary of the run."""

from __future__ import annotations

import pytest

from tests.attack.tally import FAULTS, Tally, add_up


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_fails_the_test_that_counts_it(fault: str) -> None:
    counted = Tally()
    counted.add_attempts(3)
    counted.count(fault, 0, "nothing happened")
    counted.check()
    counted.count(fault, 1, "this happened")
    with pytest.raises(AssertionError, match="this happened"):
        counted.check()


def test_only_known_faults_are_counted() -> None:
    with pytest.raises(KeyError):
        Tally().count("mislaid")


def test_the_line_at_the_end_names_every_fault() -> None:
    line = add_up([{"tried": 900, "lost": 1}, {"tried": 300, "code run": 2}])
    assert line == ("tried 1,200, lost 1, twice 0, half written 0, traces shown 0, code run 2, files served 0, connections out 0")


def test_a_run_reports_its_tallies(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "from tests.attack.conftest import pytest_pyfunc_call, tally\n"
        "from tests.conftest import pytest_terminal_summary\n"
        "__all__ = ['pytest_pyfunc_call', 'pytest_terminal_summary', 'tally']\n"
    )
    pytester.makepyfile(
        "def test_clean(tally): tally.add_attempts(5); tally.count('lost', 0)\n"
        "def test_dirty(tally): tally.add_attempts(); tally.count('twice', 2)\n"
        "def test_broken(tally): tally.add_attempts(); assert False\n"
    )
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=1, failed=2)
    done.stdout.fnmatch_lines(["attacks: tried 7, lost 0, twice 2, *"])
