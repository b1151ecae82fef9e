"""JSON as typed values: what :func:`json.loads` returns, and dataclasses read from it with every field checked."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

_Hint: TypeAlias = type | types.UnionType
_Value: TypeAlias = "bool | int | float | str | tuple[_Value, ...] | dict[str, _Value] | None"


D = TypeVar("D", bound="DataclassInstance")


def parse_json(text: str | bytes) -> JsonValue:
    """The value that ``text`` holds. Raises ValueError if it is not JSON, or nested too deeply to be read."""
    try:
        value: JsonValue = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def parse_object(text: str | bytes) -> JsonObject:
    """The JSON object that ``text`` holds. Raises ValueError if it holds anything else."""
    return as_object(parse_json(text))


def as_object(value: JsonValue) -> JsonObject:
    """``value``, which must be a JSON object. Raises ValueError if it is not."""
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def read_dataclass(cls: type[D], written: Mapping[str, JsonValue], **ready: DataclassInstance) -> D:
    """The dataclass whose fields ``written`` and, already read, ``ready`` hold. Keys that it does not have are ignored.

    Understands None, bool, int, float, str, tuples and string-keyed mappings of these, and tuples of dataclasses. ``null`` for a
    field that cannot be None is the same as leaving it out. Raises ValueError, naming the field, if one is missing or has a value
    of another type.
    """
    hints = _hints(cls)
    values: dict[str, _Value | DataclassInstance | tuple[DataclassInstance, ...]] = {**ready}
    for field in dataclasses.fields(cls):
        value = written.get(field.name)
        if field.name in ready or (value is None and (field.name not in written or not _accepts_none(hints[field.name]))):
            continue
        item = _find_item_class(hints[field.name])
        if item is not None:
            values[field.name] = _read_items(field.name, item, value)
            continue
        try:
            values[field.name] = _convert(hints[field.name], _find_checker(cls, field.name), value)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"“{field.name}” has the wrong type: {error}") from error
    build: Callable[..., D] = cls
    try:
        return build(**values)
    except TypeError as error:
        raise ValueError(str(error)) from error


def write_dataclass(instance: DataclassInstance) -> JsonObject:
    """The fields of ``instance`` as a JSON object, which :func:`read_dataclass` reads back into an equal one."""
    return {name: _write(value) for name, value in dataclasses.asdict(instance).items()}


def _write(value: _Value) -> JsonValue:
    if isinstance(value, tuple):
        return [_write(each) for each in value]
    if isinstance(value, dict):
        return {key: _write(each) for key, each in value.items()}
    return value


@lru_cache
def _hints(cls: type[DataclassInstance]) -> Mapping[str, _Hint]:
    return typing.get_type_hints(cls)


@lru_cache(maxsize=1024)
def _find_checker(cls: type[DataclassInstance], field: str) -> TypeAdapter[_Value]:
    """Accepts values of the type of a field of ``cls``, and nothing that could only be made into one."""
    return TypeAdapter(typing.get_type_hints(cls)[field], config=ConfigDict(strict=True))


def _find_item_class(hint: _Hint) -> type[DataclassInstance] | None:
    """The dataclass of which ``hint`` is a tuple; None for any other type."""
    items = typing.get_args(hint)
    if len(items) == 2 and items[1] is Ellipsis and isinstance(items[0], type) and dataclasses.is_dataclass(items[0]):
        return items[0]
    return None


def _read_items(name: str, item: type[DataclassInstance], value: JsonValue) -> tuple[DataclassInstance, ...]:
    if not isinstance(value, list):
        raise ValueError(f"“{name}” has the wrong type: it is not a list")
    try:
        return tuple(read_dataclass(item, as_object(each)) for each in value)
    except ValueError as error:
        raise ValueError(f"“{name}”: {error}") from error


def _accepts_none(hint: _Hint) -> bool:
    return types.NoneType in typing.get_args(hint)


def _convert(hint: _Hint, checker: TypeAdapter[_Value], value: JsonValue) -> _Value:
    """``value`` as ``hint`` wants it, if ``checker`` accepts it. Raises TypeError if it is of another type."""
    if isinstance(value, float) and value.is_integer() and int in (hint, *typing.get_args(hint)):
        value = int(value)  # JavaScript writes no other whole numbers
    try:
        return checker.validate_python(_use_tuples(value))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)[0]
        raise TypeError(f"{found['msg']}, not {value!r:.60}") from error


def _use_tuples(value: JsonValue) -> _Value:
    """``value`` with its lists as tuples, which the fields of dataclasses are."""
    if isinstance(value, list):
        return tuple(map(_use_tuples, value))
    return {key: _use_tuples(each) for key, each in value.items()} if isinstance(value, dict) else value
