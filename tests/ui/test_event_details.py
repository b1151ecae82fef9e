"""What a script sends with an event is what the page reads of it, listener by listener."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator

import gradio as gr

from engine.jobs import Jobs
from engine.settings import Settings
from ui.common.checkpoint_options import CheckpointOptions
from ui.interface import create_interface
from ui.server.scripts import FOLDER, read_scripts

TRIGGER = re.compile(r"trigger\((?P<event>[^{]*), \{(?P<detail>[^}]*)\}")
DATA = {name for path in FOLDER.rglob("*.html") for name in re.findall(r"\bdata-([a-z-]+)", path.read_text("utf-8"))}
"""The names that a button's ``dataset`` can have."""


def list_details(script: str, event: str) -> Iterator[set[str]]:
    """The names in each detail that a script may send with the event: those that it writes out, or all of a dataset."""
    for found in TRIGGER.finditer(read_scripts()[script].decode()):
        literal = re.findall(r'"(\w+)"', found["event"])
        if not literal or event in literal:
            parts = [part.split(":")[0].strip() for part in found["detail"].split(",")]
            yield {name for part in parts for name in (DATA if part == "...button.dataset" else [part])}


def list_read(function: Callable[..., object]) -> set[str]:
    """The names that a listener reads of its event, itself or through a function around which it was made."""
    names = set[str]()
    for each in (
        function,
        *(cell.cell_contents for cell in function.__closure__ or () if inspect.isfunction(cell.cell_contents)),
    ):
        if each.__name__ == "<lambda>":  # which cannot say that an argument is an event
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
        events = {
            argument.arg
            for node in ast.walk(tree)
            if isinstance(node, ast.arguments)
            for argument in node.args
            if argument.annotation is not None and "EventData" in ast.unparse(argument.annotation)
        }
        names |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in events
        }
    return names


def test_listeners_read_what_scripts_send(settings: Settings, jobs: Jobs) -> None:
    page, followed = create_interface(settings, jobs, CheckpointOptions(settings)), set[str]()
    for listener in page.fns.values():
        read = list_read(inspect.unwrap(listener.fn)) if listener.fn is not None else set[str]()
        for component, event in listener.targets if read else []:
            block = page.blocks[component]
            assert isinstance(block, gr.HTML) and isinstance(block.js_on_load, str)
            (script,) = re.findall(r"scripts/\w+/([\w/]+\.js)", block.js_on_load)
            details = list(list_details(script, event))
            assert details, f"{script} does not send {event}"
            assert all(read <= detail for detail in details), f"{script} sends {details} with {event}, the page reads {read}"
            followed.add(event)
    sent = {
        name
        for script in read_scripts().values()
        for found in TRIGGER.finditer(script.decode())
        if found["detail"].strip()
        for name in re.findall(r'"(\w+)"', found["event"])
    }
    assert sent <= followed, f"nobody reads {sent - followed}"
