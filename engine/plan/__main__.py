"""``python -m engine.plan``: what Easel does on this machine, in plain words."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from engine.errors import DoesNotFit
from engine.plan.hardware.facts import Hardware, count_threads
from engine.plan.ladder import RUNGS, fit_plan
from engine.plan.memory import find_budget, format_bytes
from engine.plan.precision import choose
from engine.plan.precision_table import ROWS, Row, find_row
from engine.plan.reference_cards import REFERENCE_CARDS
from engine.plan.reference_checkpoints import REFERENCE_CHECKPOINTS, ReferenceCheckpoint
from engine.stopping import Stop


def main() -> None:
    """Print the plan of this machine, or the tables that it is made from."""
    flags = argparse.ArgumentParser(prog="python -m engine.plan", description="What Easel does on this machine, and why.")
    flags.add_argument("--device", default="auto", help="a torch device (cuda:1, cpu) instead of the one Easel would take")
    flags.add_argument("--tables", action="store_true", help="print the whole tables as Markdown, and nothing else")
    flags.add_argument("--no-measuring", action="store_true", help="do not measure what is faster here")
    chosen = flags.parse_args()
    if chosen.tables:
        print(format_precision_table(), format_ladder_table(), format_card_table(), sep="\n", end="")
        return
    from engine.plan.hardware.probe import probe

    hardware = probe(chosen.device)
    speeds = {} if chosen.no_measuring else _measure(hardware)
    print("\n".join(describe_plan(hardware, speeds)))


def describe_plan(hardware: Hardware, speeds: dict[str, float]) -> Iterator[str]:
    """The plan for every known family, line by line."""
    yield from _describe_machine(hardware)
    for known in REFERENCE_CHECKPOINTS:
        yield ""
        yield from _describe_family(known, hardware, speeds)


def format_precision_table() -> str:
    """The rows of the precision table, in order."""
    cells = (
        (row.name, ", ".join(row.dtypes), ", ".join(row.decoder) or "the same", _describe_computing(row), row.reason)
        for row in ROWS
    )
    return _format_markdown(("Hardware", "Precision, the best first", "Decoder (VAE)", "Attention and layout", "Why"), cells)


def _describe_computing(row: Row) -> str:
    attention = f"{'whole' if row.fused_attention else 'in slices'}{', in float32' if row.upcast else ''}"
    return f"attention {attention}; channels {'last' if row.channels_last else 'first'}"


def format_ladder_table() -> str:
    """The rungs of the memory ladder, in order."""
    cells = ((rung.name, rung.words, "the same" if rung.exact else "slightly different") for rung in RUNGS)
    return _format_markdown(("Measure", "What is done", "The picture"), cells)


def format_card_table() -> str:
    """The plan of each of the reference cards: the denoiser's precision and the measures that save memory, for each family."""
    head = ("Card", *(f"{known.title}, {known.work.width} x {known.work.height}" for known in REFERENCE_CHECKPOINTS))
    rows = ((card.device.name, *(_plan_briefly(card, known) for known in REFERENCE_CHECKPOINTS)) for card in REFERENCE_CARDS)
    return _format_markdown(head, rows)


def _plan_briefly(hardware: Hardware, known: ReferenceCheckpoint) -> str:
    on_cpu = choose(hardware.on_cpu, known.family)
    try:
        plan, _ = fit_plan(known.work, choose(hardware, known.family), find_budget(hardware), on_cpu)
    except DoesNotFit:
        return "does not fit"
    return ", ".join((plan.dtype(plan.denoiser), *plan.measures))


def _format_markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (head, ["---"] * len(head), *rows))


def _measure(hardware: Hardware) -> dict[str, float]:
    from engine.plan.hardware.kernel_trial import compute_gains, measure_rates, read_rates
    from engine.plan.hardware.precision_trial import measure_gain
    from engine.settings import Settings

    path = Settings().data / "measured.json"
    if hardware.device.kind != "cpu":
        return measure_gain(hardware, path)
    return compute_gains(read_rates(hardware, path) or measure_rates(hardware, path, Stop()))


def _describe_machine(hardware: Hardware) -> Iterator[str]:
    device, cpu = hardware.device, hardware.cpu
    yield f"Device      {device.torch}: {device.name or device.kind}, {_format_memory(device.free_bytes, device.total_bytes)}"
    yield f"CPU         {cpu.name}, {count_threads(hardware)} of {cpu.physical_cores} cores"
    yield f"RAM         {_format_memory(hardware.ram_available, hardware.ram_total)}"
    for note in hardware.notes:
        yield f"Note        {note}"
    yield f"Kind        {find_row(hardware).name}"


def _format_memory(free: int | None, total: int | None) -> str:
    if free is None or total is None:
        return "memory unknown"
    return f"{format_bytes(free)} of {format_bytes(total)} free"


def _describe_family(known: ReferenceCheckpoint, hardware: Hardware, speeds: dict[str, float]) -> Iterator[str]:
    on_cpu = None if hardware.device.kind == "cpu" else choose(hardware.on_cpu, known.family)
    plan = choose(hardware, known.family, measured=speeds)
    yield f"{known.title}, {known.work.width} x {known.work.height}"
    try:
        plan, predicted = fit_plan(known.work, plan, find_budget(hardware), on_cpu)
        device = f"{format_bytes(predicted.peak_device)} on the device and " if predicted.peak_device else ""
        yield f"  memory    {device}{format_bytes(predicted.peak_ram)} of RAM"
    except DoesNotFit as error:
        yield f"  memory    does not fit. {error}"
    yield "  precision " + ", ".join(f"{component} {dtype}" for component, dtype in plan.dtypes.items())
    for reason in plan.reasons:
        yield textwrap.fill(reason, 110, initial_indent="  because   ", subsequent_indent=" " * 12)


if __name__ == "__main__":
    main()
