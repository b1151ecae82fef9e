"""``python -m engine.plan``: what Easel does on this machine, in plain words."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator

from engine.errors import DoesNotFit
from engine.plan.hardware.facts import Hardware
from engine.plan.hardware.threads import threads
from engine.plan.ladder import check
from engine.plan.memory import budget, gigabytes
from engine.plan.precision import choose, row_for
from engine.plan.reference_checkpoints import REFERENCE_CHECKPOINTS, ReferenceCheckpoint
from engine.plan.tables import ladder_table, precision_table


def main() -> None:
    """Print the plan of this machine, or the tables that it is made from."""
    flags = argparse.ArgumentParser(prog="python -m engine.plan", description="What Easel does on this machine, and why.")
    flags.add_argument("--device", default="auto", help="a torch device (cuda:1, cpu) instead of the one Easel would take")
    flags.add_argument("--tables", action="store_true", help="print the whole tables as Markdown, and nothing else")
    flags.add_argument("--no-measuring", action="store_true", help="do not measure whether a lower precision is faster here")
    chosen = flags.parse_args()
    if chosen.tables:
        print(precision_table(), ladder_table(), sep="\n", end="")
        return
    from engine.plan.hardware.probe import probe

    hardware = probe(chosen.device)
    speeds = {} if chosen.no_measuring else _measured(hardware)
    print("\n".join(told(hardware, speeds)))


def told(hardware: Hardware, speeds: dict[str, float]) -> Iterator[str]:
    """The plan for every known family, line by line."""
    yield from _machine(hardware)
    for known in REFERENCE_CHECKPOINTS:
        yield ""
        yield from _family(known, hardware, speeds)


def _measured(hardware: Hardware) -> dict[str, float]:
    from engine.plan.hardware.precision_trial import measured
    from engine.settings import Settings

    return measured(hardware, Settings().data / "measured.json")


def _machine(hardware: Hardware) -> Iterator[str]:
    device, cpu = hardware.device, hardware.cpu
    yield f"Device      {device.torch}: {device.name or device.kind}, {_memory(device.free_bytes, device.total_bytes)}"
    yield f"CPU         {cpu.name}, {threads(hardware)} of {cpu.physical_cores} cores"
    yield f"RAM         {_memory(hardware.ram_available, hardware.ram_total)}"
    for note in hardware.notes:
        yield f"Note        {note}"
    yield f"Kind        {row_for(hardware).name}"


def _memory(free: int | None, total: int | None) -> str:
    if free is None or total is None:
        return "memory unknown"
    return f"{gigabytes(free)} of {gigabytes(total)} free"


def _family(known: ReferenceCheckpoint, hardware: Hardware, speeds: dict[str, float]) -> Iterator[str]:
    on_cpu = None if hardware.device.kind == "cpu" else choose(hardware.on_cpu, known.family)
    plan = choose(hardware, known.family, measured=speeds)
    yield f"{known.title}, {known.work.width} x {known.work.height}"
    try:
        plan, predicted = check(known.work, plan, budget(hardware), on_cpu)
        device = f"{gigabytes(predicted.peak_device)} on the device and " if predicted.peak_device else ""
        yield f"  memory    {device}{gigabytes(predicted.peak_ram)} of RAM"
    except DoesNotFit as error:
        yield f"  memory    does not fit. {error}"
    yield "  precision " + ", ".join(f"{component} {dtype}" for component, dtype in plan.dtypes.items())
    for reason in plan.reasons:
        yield textwrap.fill(reason, 110, initial_indent="  because   ", subsequent_indent=" " * 12)


if __name__ == "__main__":
    main()
