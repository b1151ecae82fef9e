"""The printed plan, and the tables in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.plan import __main__ as program
from engine.plan.__main__ import format_card_table, format_ladder_table, format_precision_table
from engine.plan.reference_checkpoints import REFERENCE_CHECKPOINTS
from tests.engine.plan.conftest import MACHINES, card, cpu

PAGE = Path(__file__).resolve().parents[3] / "docs" / "plan.md"


def test_the_documented_tables_are_the_ones_in_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert format_precision_table() in page, "run `python -m engine.plan --tables` and put its output into docs/plan.md"
    assert format_card_table() in page, "run `python -m engine.plan --tables` and put its output into docs/plan.md"
    assert format_ladder_table() in page, "run `python -m engine.plan --tables` and put its output into docs/plan.md"


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_gets_its_plan_told(name: str) -> None:
    told = "\n".join(program.describe_plan(MACHINES[name], {}))
    assert all(known.title in told for known in REFERENCE_CHECKPOINTS)
    assert name in told and MACHINES[name].device.torch in told


def test_what_does_not_fit_is_told_with_the_reason() -> None:
    told = "\n".join(program.describe_plan(cpu(ram=2**30), {}))
    assert "does not fit" in told and "Close other programs" in told


def test_measures_are_told() -> None:
    told = "\n".join(program.describe_plan(card(capability=(8, 6), free_bytes=2 * 2**30), {}))
    assert "Memory is short: the text encoders leave the card once the prompt is read." in told


def test_the_program_prints_this_machine(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["plan", "--device", "cpu", "--no-measuring"])
    program.main()
    printed = capsys.readouterr().out
    assert "Device      cpu" in printed and "because" in printed


def test_the_program_prints_the_tables(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["plan", "--tables"])
    program.main()
    assert capsys.readouterr().out == "\n".join((format_precision_table(), format_ladder_table(), format_card_table()))
