"""What all tabs do when the page has opened, or when something that it waits for is there: in one listener each time.

A browser and the server take about 80 ms for each listener that runs, whatever it does, and the tabs have 30 of them here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from ui import messages
from ui.compat.listeners import QUIET, Update, Values

Given = Values | Sequence[Update] | Update
Work = Callable[..., Given]
"""A listener's function, as Gradio calls it: with a value for each input, or with all of a set in one mapping. It gives the
updates by component, or one for each output."""

Inputs = Component | Sequence[Component] | set[Component] | None
Outputs = Component | Sequence[Component]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Part:
    work: Work
    inputs: Inputs
    outputs: Sequence[Component]

    def run(self, values: Values) -> Values:
        given = self.work(values) if isinstance(self.inputs, set) else self.work(*(values[each] for each in _list(self.inputs)))
        if _is_by_component(given):
            return given
        if not self.outputs:
            return {}
        if len(self.outputs) == 1:
            return {self.outputs[0]: given}
        assert isinstance(given, Sequence), "a listener gives an update for each of its outputs"
        return dict(zip(self.outputs, given, strict=True))


class Moment:
    """A moment in the life of a page. What is added runs in the order of adding."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def add(self, work: Work, inputs: Inputs, outputs: Outputs) -> None:
        """Let ``work`` run then, as a listener of Gradio's would; no generator."""
        self._parts.append(_Part(work, inputs, _list(outputs)))

    def wire(self, event: Dependency) -> Dependency:
        """Run what was added after ``event``, and return the listener that does."""
        inputs = {each for part in self._parts for each in _list(part.inputs)}
        return event.then(self.run, inputs, _join(part.outputs for part in self._parts), **QUIET)

    def run(self, values: Values) -> Values:
        """The updates of all parts. A part that fails leaves the others theirs."""
        updates: Values = {}
        for part in self._parts:
            try:
                updates.update(part.run(values))
            except Exception:
                _log.exception("a part of the page could not be filled in")
                gr.Warning(messages.NOT_FILLED_IN)
        return updates


@dataclass(frozen=True)
class _Script:
    js: str
    inputs: Sequence[Component]
    output: Component | None


class ScriptMoment:
    """Likewise in the browser alone."""

    def __init__(self) -> None:
        self._scripts: list[_Script] = []

    def add(self, js: str, inputs: Sequence[Component], output: Component | None = None) -> None:
        """Let the function ``js`` run then with the values of ``inputs``; what it returns goes into ``output``."""
        self._scripts.append(_Script(js, inputs, output))

    def wire(self, event: Dependency) -> Dependency:
        """Run what was added after ``event``, and return the listener that does."""
        inputs = _join(script.inputs for script in self._scripts)
        outputs = [script.output for script in self._scripts if script.output is not None]
        return event.then(None, inputs, outputs, js=self._write(inputs), **QUIET)

    def _write(self, inputs: Sequence[Component]) -> str:
        places = {component: number for number, component in enumerate(inputs)}
        rows = [
            f"[{script.js}, {[places[each] for each in script.inputs]}, {json.dumps(script.output is not None)}]"
            for script in self._scripts
        ]
        return (
            f"(...values) => [{', '.join(rows)}]"
            ".map(([run, places, gives]) => [run(...places.map((place) => values[place])), gives])"
            ".filter(([, gives]) => gives).map(([given]) => given)"
        )


def _is_by_component(given: Given) -> TypeGuard[Values]:
    """Whether it maps components to their updates; what ``gr.update`` returns maps texts."""
    return isinstance(given, dict) and all(isinstance(key, Component) for key in given)


def _list(components: Inputs) -> Sequence[Component]:
    match components:
        case None:
            return ()
        case Component():
            return (components,)
        case _:
            return tuple(components)


def _join(groups: Iterable[Sequence[Component]]) -> list[Component]:
    """Each component of ``groups`` once."""
    return list(dict.fromkeys(each for group in groups for each in group))
