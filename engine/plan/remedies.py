"""What the self-test found on a device, and the changes to plans that made its images right: a table, in order.

Its results lie in a JSON file of the data folder. What cannot be read there counts as not tested. Does not import torch: the page
shows the results.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.json_values import JsonObject
from engine.plan.hardware.facts import Device, Hardware
from engine.plan.learned import LearnedFacts, is_number, read_texts, read_texts_by_name
from engine.plan.precision_table import FULL, HALF, find_row
from engine.requests import DTYPES, ExecutionPlan

FILE = "self-test.json"

MOST_UNFINISHED = 2
"""After so many self-tests that ended the process, or were ended with it, the device is not tested again by itself."""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """One change to a plan. ``words`` say what is done: "... because this device computed wrong pictures otherwise".

    ``attention_backend`` replaces that of the plan. ``component``: what the names of the components begin with that run in
    ``dtype`` at least, ``"denoiser"`` for the plan's.
    """

    name: str
    words: str
    uncompiled: bool = False
    attention_backend: str = ""
    contiguous: bool = False
    component: str = ""
    dtype: str = ""

    def apply(self, plan: ExecutionPlan, hardware: Hardware) -> ExecutionPlan:
        """``plan`` with this change and a sentence on it; the same plan if it is so already or cannot be here."""
        changed = dataclasses.replace(
            plan,
            compiler="" if self.uncompiled else plan.compiler,
            attention_backend=self.attention_backend or plan.attention_backend,
            channels_last=plan.channels_last and not self.contiguous,
            dtypes={component: self._choose_dtype(component, plan, hardware) for component in plan.dtypes},
        )
        upcast = plan.attention_upcast and changed.dtype(plan.denoiser) == HALF
        changed = dataclasses.replace(changed, attention_upcast=upcast)
        if changed == plan:
            return plan
        reason = f"By the self-test of this device, {self.words}."
        return dataclasses.replace(changed, reasons=(*plan.reasons, reason))

    def _choose_dtype(self, component: str, plan: ExecutionPlan, hardware: Hardware) -> str:
        now, is_meant = plan.dtype(component), self.component and component.startswith(self._find_component(plan))
        possible = self.dtype in (FULL, *find_row(hardware).order(component))
        if is_meant and possible and DTYPES.index(self.dtype) < DTYPES.index(now):
            return self.dtype
        return now

    def _find_component(self, plan: ExecutionPlan) -> str:
        return plan.denoiser if self.component == "denoiser" else self.component


REMEDIES: tuple[Remedy, ...] = (
    Remedy(name="not_compiled", uncompiled=True, words="networks run as they are and not compiled"),
    Remedy(name="math_attention", attention_backend="math", words="attention is computed by plain matrix products"),
    Remedy(
        name="sliced_attention", attention_backend="sliced",
        words="attention is computed by plain matrix products, one head at a time",
    ),
    Remedy(name="contiguous", contiguous=True, words="weights of convolutions lie in memory channel by channel"),
    Remedy(name="vae_bfloat16", component="vae", dtype="bfloat16", words="the decoder (VAE) runs in bfloat16"),
    Remedy(name="vae_float32", component="vae", dtype="float32", words="the decoder (VAE) runs in float32"),
    Remedy(name="text_encoder_float32", component="text_encoder", dtype="float32", words="text encoders run in float32"),
    Remedy(name="denoiser_bfloat16", component="denoiser", dtype="bfloat16", words="the denoiser runs in bfloat16"),
    Remedy(name="denoiser_float32", component="denoiser", dtype="float32", words="the denoiser runs in float32"),
)  # fmt: skip
"""The cheapest first: what costs speed, then what costs memory."""

_BY_NAME = {remedy.name: remedy for remedy in REMEDIES}

UNTESTED, AGREES, DIFFERS = "untested", "agrees", "differs"


@dataclass(frozen=True, kw_only=True)
class SelfTestResult:
    """The last self-test of one device.

    ``state``: :data:`UNTESTED`, :data:`AGREES` (with ``remedies``, if there are any) or :data:`DIFFERS`, where no remedy helped.
    ``versions`` are those that it counts for. ``distance``: the largest distance from the processor's images without any remedy,
    in multiples of what is allowed; None if there were no numbers. ``trouble``: why there is no result, a sentence.
    ``is_asked``: whether a later image asked for another test. ``unfinished``: tests that began and did not end.
    """

    state: str = UNTESTED
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    remedies: tuple[str, ...] = ()
    distance: float | None = None
    date: str = ""
    trouble: str = ""
    is_asked: bool = False
    unfinished: int = 0

    def is_due(self, versions: Mapping[str, str]) -> bool:
        """Whether the device should be tested, with these ``versions``."""
        if self.versions != versions:
            return True
        return self.unfinished < MOST_UNFINISHED and (self.state == UNTESTED or self.is_asked)


def apply_remedies(plan: ExecutionPlan, names: Iterable[str], hardware: Hardware) -> ExecutionPlan:
    """``plan`` with the remedies of these ``names``, in the table's order. Unknown names are left out."""
    wanted = set(names)
    for remedy in REMEDIES:
        if remedy.name in wanted:
            plan = remedy.apply(plan, hardware)
    return plan


def read_result(folder: Path, device: Device) -> SelfTestResult:
    """The result in the data ``folder`` for ``device``."""
    stored = _open(folder).get(_key(device))
    unfinished, distance = stored.get("unfinished"), stored.get("distance")
    return SelfTestResult(
        state=next((state for state in (AGREES, DIFFERS) if stored.get("state") == state), UNTESTED),
        versions=read_texts_by_name(stored.get("versions")),
        remedies=tuple(name for name in read_texts(stored.get("remedies")) if name in _BY_NAME),
        distance=float(distance) if is_number(distance) else None,
        date=_read_text(stored, "date"),
        trouble=_read_text(stored, "trouble"),
        is_asked=stored.get("is_asked") is True,
        unfinished=int(unfinished) if is_number(unfinished) else 0,
    )


def write_result(folder: Path, device: Device, result: SelfTestResult) -> None:
    """Store ``result``. A folder that cannot be written is ignored: then the device is tested again after the next start."""
    stored: JsonObject = {
        **vars(result), "versions": dict(result.versions), "remedies": [*result.remedies],
    }  # fmt: skip
    _open(folder).put(_key(device), stored)


def ask_for_self_test(folder: Path, device: Device) -> None:
    """Have ``device`` tested again, because an image looks as if it computed wrong numbers."""
    _open(folder).change(_key(device), lambda stored: {**stored, "is_asked": True})


def explain_remedies(result: SelfTestResult) -> tuple[str, ...]:
    """A sentence where a device computed wrong images, for every tab."""
    return (describe_result(result),) if result.remedies or result.state == DIFFERS else ()


def describe_result(result: SelfTestResult) -> str:
    """The result in sentences, for the page."""
    if result.trouble:
        return result.trouble
    if result.unfinished >= MOST_UNFINISHED:
        return (
            "Easel ended twice in the middle of the self-test, so it is not run again by itself. Update the driver: the test "
            f"follows, as it does when you delete the file {FILE} in the data folder."
        )
    if result.state == UNTESTED and not result.remedies:
        return "Not tested yet. Easel tests a device by itself when it is idle, after the first picture."
    if result.state == DIFFERS:
        return (
            "This device computes other pictures than the processor, whatever Easel changes. They may be wrong. Update its "
            "driver, then restart Easel. Until then “app.py --device cpu” makes right pictures, more slowly."
        )
    if not result.remedies:
        return f"On {result.date} this device computed the same pictures as the processor."
    done = " and ".join(_BY_NAME[name].words for name in result.remedies)
    return f"This device computed wrong pictures. Since {result.date} they are right, because {done}."


def _open(folder: Path) -> LearnedFacts:
    return LearnedFacts(folder / FILE)


def _key(device: Device) -> str:
    """Two cards of a kind are tested each for itself: one of them may be broken."""
    return f"{device.name or device.kind} ({device.torch})"


def _read_text(stored: JsonObject, name: str) -> str:
    text = stored.get(name)
    return text if isinstance(text, str) else ""
