"""The table of families in docs/checkpoints.md is the table in the source: ``python -m tests.engine.checkpoints.test_table``
prints it."""

from __future__ import annotations

from engine.checkpoints.families import FAMILIES, Family
from engine.settings import HOUSE
from tests.engine.checkpoints import tiny

FORMS = "`load/test_components.py`: test_every_form_gives_the_same_weights_and_picture"
PROOFS = {
    "lcm_xl": "`load/test_small_unets.py`: test_a_small_network_of_xls_kind_loads",
    "starter": "`tests/engine/generate/test_few_steps.py`",
    "other": "`tests/engine/generate/tasks/test_diffusers_fallback.py`",
}
SD3 = "`load/test_stable_diffusion_3.py`"


def prove(family: Family) -> str:
    """The tests that load a family."""
    if family.name in PROOFS:
        return PROOFS[family.name]
    return FORMS if family.name in tiny.KINDS else SD3


def print_table() -> str:
    rows = [
        f"| {family.label} | {'folder and single file' if family.key_mapping else 'folder'} | {prove(family)} |"
        for family in FAMILIES
    ]
    return "\n".join(("| family | loads as | proven by |", "|---|---|---|", *rows))


def test_the_documentation_has_the_table() -> None:
    assert print_table() in (HOUSE / "docs" / "checkpoints.md").read_text("utf-8")


def test_every_proof_is_there() -> None:
    folder = HOUSE / "tests" / "engine" / "checkpoints"
    for family in FAMILIES:
        for name in prove(family).split("`")[1::2]:
            assert (folder / name).is_file() or (HOUSE / name).is_file(), name


if __name__ == "__main__":
    print(print_table())
