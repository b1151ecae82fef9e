"""The computer as HTML: the device, its precision and why, and devices that are not used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from engine.descriptions import EngineDescription
from engine.plan.hardware.facts import Hardware, from_text
from engine.plan.precision_table import find_row
from engine.plan.remedies import describe_result, read_result
from engine.safe_text import name_to_text
from engine.settings import HOUSE, VERSION
from ui import messages, sentences
from ui.formatting import format_size
from ui.templates import Macros

_HTML = Macros("tabs/settings/view.html")
_VERSION_ROW = messages.MACHINE_VERSION, VERSION


def render_machine(described: EngineDescription | None, can_repair: bool, data: Path) -> Markup:
    """The computer; ``described`` is the worker's description of itself, None while it starts. ``can_repair``: whether there
    is a launcher that can repair the set-up. ``data`` is the data folder, where the results of self-tests lie."""
    if described is None or not described.hardware:
        return _render([_VERSION_ROW], [messages.MACHINE_UNKNOWN], can_repair)
    hardware = from_text(described.hardware)
    return _render([_VERSION_ROW, *_list_rows(hardware, described, data)], hardware.notes, can_repair)


def _render(rows: Sequence[tuple[str, str]], said: Sequence[str], can_repair: bool) -> Markup:
    return _HTML.render("machine", rows=rows, sentences=said, can_repair=can_repair, changes=read_changes(HOUSE / "CHANGELOG.md"))


def read_changes(changelog: Path) -> list[str]:
    """What is new in the version that runs: the items of the first section of its changelog, without their markup; none if the
    file is not there."""
    try:
        text = changelog.read_text("utf-8")
    except OSError:
        return []
    section = re.split(r"^## ", text, maxsplit=2, flags=re.M)[1:2]
    items = re.findall(r"^\* (.+(?:\n  .+)*)", "".join(section), re.M)
    return [re.sub(r"\[([^]]+)\]\([^)]*\)|[`*]", r"\1", " ".join(item.split())) for item in items]


def render_disk(parts: Sequence[tuple[str, int, Path]]) -> Markup:
    """What Easel keeps on the disk: label, bytes and folder of each part."""
    return _HTML.render("disk", rows=[(label, format_size(size), name_to_text(str(folder))) for label, size, folder in parts])


def _list_rows(hardware: Hardware, described: EngineDescription, data: Path) -> Iterator[tuple[str, str]]:
    device, row = hardware.device, find_row(hardware)
    yield messages.MACHINE_DEVICE, device.name or device.kind
    yield messages.MACHINE_MEMORY, sentences.device_memory(device.free_bytes, device.total_bytes)
    yield messages.MACHINE_KIND, f"{row.name}. {row.reason}"
    for name, gain in described.measured.items():
        yield messages.MACHINE_MEASURED, sentences.measured_gain(name, gain)
    if described.compiler:
        yield messages.MACHINE_COMPILER, sentences.kept_graphs(described.compiler, described.kept_graphs)
    yield messages.MACHINE_SELF_TEST, describe_result(read_result(data, device))
    for other in hardware.devices:
        if other.torch != device.torch and (result := read_result(data, other)).versions:
            yield messages.MACHINE_SELF_TEST, f"{other.name or other.kind} ({other.torch}): {describe_result(result)}"
    if device.kind == "cpu":
        yield messages.MACHINE_THREADS, str(described.threads)
