"""What there is in the user's folders, as HTML: a table for each kind of file, and why the others are not used."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from engine.checkpoints.families import BASE_MODELS, BY_NAME
from engine.checkpoints.library import overrides
from engine.checkpoints.library.catalogue import CheckpointEntry
from engine.checkpoints.library.overrides import Override
from ui import messages
from ui.server import scripts

GROUPS: tuple[tuple[str, str], ...] = (
    ("checkpoint", "Checkpoints"), ("lora", "LoRAs"), ("embedding", "Embeddings"), ("vae", "VAEs"), ("upscaler", "Upscalers"),
    ("cleaner", "Cleaners"),
)  # fmt: skip
"""Kind of file -> the heading over its table, in the order of the page."""

ON_LOAD = scripts.on_load("tabs/checkpoints/inventory.js", ["choose"])
"""A choice in a row becomes an event of the table: the entry's name, and all that is chosen for it.

(Gradio takes whatever is called ``path`` for an uploaded file.)
"""

_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float8_e4m3fn": "fp8", "float8_e5m2": "fp8"}
_PREDICTIONS = {"epsilon": "the noise (epsilon)", "v_prediction": "v", "sample": "the picture"}


def show(entries: Sequence[CheckpointEntry], refused: dict[Path, str], chosen: dict[str, Override]) -> str:
    """Everything that was found. ``chosen`` is what the user said of files, by path
    (:mod:`engine.checkpoints.library.overrides`)."""
    tables = [_table(heading, [e for e in entries if e.identity.kind == kind], chosen) for kind, heading in GROUPS]
    return f'<div class="inventory">{"".join(tables)}{_refused([*entries], refused)}</div>'


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _table(heading: str, entries: list[CheckpointEntry], chosen: dict[str, Override]) -> str:
    if not entries:
        return ""
    rows = "".join(_row(entry, chosen.get(str(entry.path), Override())) for entry in entries)
    return (
        f"<h3>{heading} <small>{len(entries)}</small></h3><table><thead><tr><th>Name</th><th>Kind</th><th>Size</th>"
        f"<th>Precision</th><th>Where</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(entry: CheckpointEntry, chosen: Override) -> str:
    identity = entry.identity
    cells = (
        ("Name", f"<strong>{escape(entry.name)}</strong>{_can(entry)}"),
        ("Kind", f"{escape(_kind(entry))}{_told(entry, chosen)}"),
        ("Size", size(entry.stamp[0])),
        ("Precision", _PRECISIONS.get(identity.dtype, identity.dtype) or "–"),
        ("Where", f'<span title="{escape(str(entry.path))}">{escape(_where(entry.path)).replace("/", "/<wbr>")}</span>'),
    )
    inside = "".join(f'<td data-label="{label}">{content}</td>' for label, content in cells)
    return f'<tr data-entry="{escape(entry.name)}">{inside}</tr>'


def _kind(entry: CheckpointEntry) -> str:
    identity = entry.identity
    if identity.kind == "checkpoint":
        return entry.family.label
    base = BASE_MODELS.get(identity.family)
    return f"for {base.label}" if base else identity.reason.removeprefix("a ").removeprefix("an ")


def _can(entry: CheckpointEntry) -> str:
    if entry.identity.kind != "checkpoint":
        return ""
    return f'<span class="can">{escape(", ".join(entry.abilities) or messages.NO_ABILITY)}</span>'


def _told(entry: CheckpointEntry, chosen: Override) -> str:
    """Why it counts as this kind, and the choices of who knows better."""
    identity = entry.identity
    selects = _select("family", messages.IS_A, _families(entry), chosen.family) + _select(
        "prediction_type", messages.PREDICTS, _predictions(entry), chosen.prediction_type
    )
    digest = f"<p>{messages.hash_of(identity.digest)}</p>" if identity.digest else ""
    digest += f"<p>{messages.sha256_of(entry.sha256)}</p>" if entry.sha256 else ""
    reason = escape(messages.told_by(identity.reason))
    return f"<details><summary>{messages.WHY}</summary><p>{reason}</p>{selects}{digest}</details>"


def _families(entry: CheckpointEntry) -> dict[str, str]:
    return {name: BY_NAME[name].label for name in overrides.alternatives(entry.identity.family)}


def _predictions(entry: CheckpointEntry) -> dict[str, str]:
    diffusion = entry.identity.kind == "checkpoint" and entry.family.prediction_type_varies
    return {name: _PREDICTIONS[name] for name in overrides.PREDICTION_TYPES} if diffusion else {}


def _select(name: str, label: str, offered: dict[str, str], wanted: str) -> str:
    if not offered:
        return ""
    options = "".join(
        f'<option value="{value}"{" selected" if value == wanted else ""}>{escape(text)}</option>'
        for value, text in {"": messages.AS_FOUND, **offered}.items()
    )
    return f'<label>{label} <select name="{name}">{options}</select></label>'


def _where(path: Path) -> str:
    """The folder, shortened from the left."""
    parts = path.parent.parts[-3:]
    short = Path(*parts).as_posix()
    return short if len(path.parent.parts) <= 3 else f"…/{short}"


def _refused(entries: list[CheckpointEntry], refused: dict[Path, str]) -> str:
    """Files that are there and not used, each with its sentence, and those of kinds that no tab uses."""
    shown = {kind for kind, _ in GROUPS}
    others = [messages.not_used(e.name, e.identity.reason) for e in entries if e.identity.kind not in shown]
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in (*refused.values(), *others))
    return f"<h3>{messages.NOT_USED}</h3><ul>{said}</ul>" if said else ""
