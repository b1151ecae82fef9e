"""Parses a torch pickle without executing it.

A pickle is a program for a stack machine, and two of its opcodes call anything by name. This parser implements the machine
without calls: a name becomes a :class:`Name`, a call a :class:`Call`, which only record what the file asks for. Nothing is
imported or called. Names outside a short list are rejected nevertheless, because a file that contains them was not made by saving
a checkpoint.

The opcodes are those of protocols 2 to 4 (documented in Python's ``pickletools``); torch has written protocol 2 since 2016.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from engine.checkpoints.files.pickle_names import describe_refused, is_allowed


class PickleRefused(Exception):
    """The pickle is damaged or contains what no checkpoint needs. The message is the second half of a sentence."""


class UnsafePickle(PickleRefused):
    """The pickle asks for what no checkpoint needs, and is whole."""


@dataclass(frozen=True, eq=False)
class Name:
    """A global of the pickle: module and name."""

    path: str


@dataclass(eq=False)
class Call:
    """A call that the pickle asks for, with its arguments. ``state`` is what it would set on the result, where that matters."""

    function: Name
    arguments: tuple[PickleValue, ...]
    state: PickleValue = None


@dataclass(frozen=True, eq=False)
class Persistent:
    """A persistent id, which refers to an object outside the pickle: a tensor's storage."""

    key: PickleValue


_PickleScalar: TypeAlias = bool | int | float | str | bytes | None
PickleValue: TypeAlias = "_PickleScalar | Name | Call | Persistent | PickleDict | list[PickleValue] | tuple[PickleValue, ...]"
PickleDict: TypeAlias = dict[PickleValue, PickleValue]
"""A value in a pickle."""

MOST_INSTRUCTIONS = 2_000_000
"""A full-size checkpoint has tens of thousands of instructions, with its training state some hundred thousand."""

_MOST_INTEGER = 64
"""The most bytes of an integer. The state of a random generator has 17; one of thousands of bytes takes seconds to print."""

_MARK = Name("mark")
"""On the stack, the beginning of a list, tuple or dictionary."""


def read_pickle(source: bytes, start: int = 0) -> tuple[PickleValue, int]:
    """The value of the pickle at ``start``, and the position after it.

    Raises PickleRefused for anything damaged, unknown or not allowed, and nothing else, whatever the bytes are.
    """
    reader = _PickleReader(source, start)
    try:
        return reader.run(), reader.at
    except PickleRefused:
        raise
    except Exception as error:
        raise PickleRefused(f"its index is damaged ({type(error).__name__} at byte {reader.at})") from error


class _PickleReader:
    """The stack machine. Each opcode is a function in :data:`_STEPS`."""

    def __init__(self, source: bytes, start: int) -> None:
        self.source, self.at = source, start
        self.stack: list[PickleValue] = []
        self.memo: dict[int, PickleValue] = {}

    def run(self) -> PickleValue:
        for _ in range(MOST_INSTRUCTIONS):
            code = self.source[self.at]
            self.at += 1
            if code == 0x2E:  # STOP
                return self.stack.pop()
            step = _STEPS.get(code)
            if step is None:
                raise PickleRefused(f"its index uses an instruction that checkpoints do not need ({code:#x})")
            step(self)
        raise PickleRefused("its index has more instructions than any checkpoint needs")

    def take(self, count: int) -> bytes:
        piece = self.source[self.at : self.at + count]
        if count < 0 or len(piece) != count:
            raise PickleRefused("its index ends in the middle")
        self.at += count
        return piece

    def integer(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def double(self) -> float:
        value: float = struct.unpack(">d", self.take(8))[0]
        return value

    def line(self) -> str:
        end = self.source.index(b"\n", self.at)
        text = self.source[self.at : end].decode("utf-8")
        self.at = end + 1
        return text

    def push(self, value: PickleValue) -> None:
        self.stack.append(value)

    def since_mark(self) -> list[PickleValue]:
        stack = self.stack
        for index in range(len(stack) - 1, -1, -1):
            if stack[index] is _MARK:
                taken = stack[index + 1 :]
                del stack[index:]
                return taken
        raise PickleRefused("its index is damaged (no mark)")

    def name(self, path: str) -> None:
        if not is_allowed(path):
            raise UnsafePickle(describe_refused(path))
        self.push(Name(path))


def _text(form: str) -> Callable[[_PickleReader], None]:
    return lambda r: r.push(r.take(r.integer(form)).decode("utf-8", "surrogatepass"))


def _bytes(form: str) -> Callable[[_PickleReader], None]:
    return lambda r: r.push(r.take(r.integer(form)))


def _old_text(form: str) -> Callable[[_PickleReader], None]:
    return lambda r: r.push(r.take(r.integer(form)).decode("latin-1"))


def _integer(form: str) -> Callable[[_PickleReader], None]:
    return lambda r: r.push(r.integer(form))


def _long(form: str) -> Callable[[_PickleReader], None]:
    def step(r: _PickleReader) -> None:
        count = r.integer(form)
        if count > _MOST_INTEGER:
            raise PickleRefused("its index has a number of more digits than any checkpoint needs")
        r.push(int.from_bytes(r.take(count), "little", signed=True))

    return step


def _constant(value: PickleValue) -> Callable[[_PickleReader], None]:
    return lambda r: r.push(value)


def _fresh(kind: type[list[PickleValue]] | type[PickleDict]) -> Callable[[_PickleReader], None]:
    return lambda r: r.push(kind())


def _tuple(count: int) -> Callable[[_PickleReader], None]:
    def step(r: _PickleReader) -> None:
        if len(r.stack) < count:
            raise PickleRefused("its index is damaged (stack)")
        taken = tuple(r.stack[-count:])
        del r.stack[-count:]
        r.push(taken)

    return step


def _put(form: str) -> Callable[[_PickleReader], None]:
    def step(r: _PickleReader) -> None:
        r.memo[r.integer(form)] = r.stack[-1]

    return step


def _get(form: str) -> Callable[[_PickleReader], None]:
    return lambda r: r.push(r.memo[r.integer(form)])


def _memoize(r: _PickleReader) -> None:
    r.memo[len(r.memo)] = r.stack[-1]


def _append(r: _PickleReader) -> None:
    value = r.stack.pop()
    _extend(r.stack[-1], [value])


def _appends(r: _PickleReader) -> None:
    values = r.since_mark()
    _extend(r.stack[-1], values)


def _extend(target: PickleValue, values: list[PickleValue]) -> None:
    if isinstance(target, list):
        target.extend(values)


def _set_item(r: _PickleReader) -> None:
    value, key = r.stack.pop(), r.stack.pop()
    _update(r.stack[-1], [key, value])


def _set_items(r: _PickleReader) -> None:
    pairs = r.since_mark()
    _update(r.stack[-1], pairs)


def _update(target: PickleValue, pairs: list[PickleValue]) -> None:
    """Skips entries whose keys are neither strings nor globals: no tensor has them, and hashing tuples from a file may never
    end."""
    if isinstance(target, dict):
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if isinstance(key, (str, Name)):
                target[key] = value


def _reduce(r: _PickleReader) -> None:
    arguments, function = r.stack.pop(), r.stack.pop()
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise PickleRefused("its index calls something that is not a name")
    plain_dict = function.path.endswith((".OrderedDict", ".defaultdict")) and not any(isinstance(a, list) for a in arguments)
    r.push({} if plain_dict else Call(function, arguments))


_STATEFUL = ("ParameterDict", "_reconstruct", "numpy.dtype")
"""How the names end whose state holds tensors: old embeddings are in ParameterDicts, and those made on Macs in NumPy's arrays."""


def _build(r: _PickleReader) -> None:
    state = r.stack.pop()
    target = r.stack[-1]
    if isinstance(target, Call) and target.function.path.endswith(_STATEFUL):
        target.state = state


def _stack_global(r: _PickleReader) -> None:
    name, module = r.stack.pop(), r.stack.pop()
    r.name(f"{module}.{name}")


def _frame(r: _PickleReader) -> None:
    r.integer("<Q")


def _new_with_keywords(r: _PickleReader) -> None:
    r.stack.pop()
    _reduce(r)


_STEPS: dict[int, Callable[[_PickleReader], None]] = {
    0x80: lambda r: (r.take(1), None)[1],
    0x95: _frame,
    ord("c"): lambda r: r.name(f"{r.line()}.{r.line()}"),
    0x93: _stack_global,
    ord("("): _constant(_MARK),
    ord("0"): lambda r: (r.stack.pop(), None)[1],
    ord("1"): lambda r: (r.since_mark(), None)[1],
    ord("2"): lambda r: r.push(r.stack[-1]),
    ord("q"): _put("<B"),
    ord("r"): _put("<I"),
    0x94: _memoize,
    ord("h"): _get("<B"),
    ord("j"): _get("<I"),
    ord("X"): _text("<I"),
    0x8C: _text("<B"),
    0x8D: _text("<Q"),
    ord("U"): _old_text("<B"),
    ord("T"): _old_text("<i"),
    ord("C"): _bytes("<B"),
    ord("B"): _bytes("<I"),
    0x8E: _bytes("<Q"),
    ord("J"): _integer("<i"),
    ord("K"): _integer("<B"),
    ord("M"): _integer("<H"),
    ord("G"): lambda r: r.push(r.double()),
    0x8A: _long("<B"),
    0x8B: _long("<i"),
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord(")"): _constant(()),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("t"): lambda r: r.push(tuple(r.since_mark())),
    ord("]"): _fresh(list),
    ord("a"): _append,
    ord("e"): _appends,
    ord("}"): _fresh(dict),
    ord("s"): _set_item,
    ord("u"): _set_items,
    0x8F: _fresh(list),
    0x90: _appends,
    0x91: lambda r: r.push(tuple(r.since_mark())),
    ord("R"): _reduce,
    0x81: _reduce,
    0x92: _new_with_keywords,
    ord("b"): _build,
    ord("Q"): lambda r: r.push(Persistent(r.stack.pop())),
}
