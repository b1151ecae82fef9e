"""Bounds for what ``tests/shape.py`` counts, and that it counts right."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests import shape

PLANTED = """
from typing import TYPE_CHECKING, Any, cast
import lib.other as other
if TYPE_CHECKING:
    from lib import third

def f(a, b: object, *rest: Any) -> None:
    \"\"\"sd1\"\"\"
    print(getattr(a, "sd1"), cast(int, b))  # type: ignore[arg-type]
"""


def test_no_folder_holds_more_than_a_newcomer_can_look_over() -> None:
    assert {folder: count for folder, count in shape.modules_by_folder().items() if count > 14} == {}


def test_imports_run_in_no_circle() -> None:
    assert shape.import_circles(shape.import_graph(shape.modules())) == []


def test_functions_are_short() -> None:
    lengths = shape.function_lengths()
    assert statistics.median(lengths.values()) <= 6
    assert {name: lines for name, lines in lengths.items() if lines > 38} == {}


def test_every_parameter_is_typed_and_none_as_object() -> None:
    assert shape.untyped_parameters() == []
    assert shape.object_parameters() == []


def test_types_are_not_escaped_from() -> None:
    assert shape.any_per_thousand_lines() < 4, shape.most_common(shape.any_by_module())
    assert shape.attribute_lookups().total() <= 20, shape.most_common(shape.attribute_lookups())
    assert shape.casts().total() <= 5, shape.most_common(shape.casts())
    assert shape.ignores().total() <= 30, shape.most_common(shape.ignores())


def test_families_are_named_in_their_table() -> None:
    assert len(shape.family_mentions()) <= 3, shape.family_mentions()


def test_a_module_that_one_other_imports_has_an_identity_of_its_own() -> None:
    """Otherwise move it into its importer, or say in IDENTITIES why it is a module."""
    assert shape.without_identity() == {}


def test_a_name_that_several_modules_have_has_a_reason() -> None:
    assert shape.names_that_meet().keys() - shape.SAME_NAMES.keys() == set()


def test_no_reason_is_left_over() -> None:
    names = [module.name for module in shape.modules()]
    assert [key for key in shape.IDENTITIES if not any(shape.matches(name, key) for name in names)] == []


def test_a_pattern_means_the_modules_of_a_folder() -> None:
    assert shape.matches("ui.tabs.history.view", "ui.tabs.*.{tab,view}")
    assert not shape.matches("ui.tabs.history.desktop", "ui.tabs.*.{tab,view}")
    assert not shape.matches("engine_local", "engine.local")


@pytest.fixture
def planted(tmp_path: Path) -> shape.Module:
    path = tmp_path / "lib" / "planted.py"
    path.parent.mkdir()
    path.write_text(PLANTED, "utf-8")
    return shape.Module(path, tmp_path)


def test_what_is_planted_in_a_module_is_counted(planted: shape.Module) -> None:
    assert planted.calls("getattr", "hasattr") == 1
    assert planted.calls("cast") == 1
    assert list(planted.comments()) == ["# type: ignore[arg-type]"]
    assert list(planted.strings()) == ["sd1"]


def test_circles_of_type_checking_imports_are_found(planted: shape.Module, tmp_path: Path) -> None:
    sources = [planted]
    for name, text in (("other", "def g() -> None:\n    from lib.planted import f\n"), ("third", ""), ("__init__", "")):
        path = tmp_path / "lib" / f"{name}.py"
        path.write_text(text, "utf-8")
        sources.append(shape.Module(path, tmp_path))
    graph = shape.import_graph(sources)
    assert graph["lib.planted"] == {"lib", "lib.other", "lib.third"}
    assert shape.import_circles(graph) == [["lib.other", "lib.planted"]]
