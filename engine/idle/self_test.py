"""The self-test: the starter draws on the device and on the CPU in float32. Where they differ, remedies are tried in order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version

from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import CheckpointError
from engine.generate.engine_state import EngineState
from engine.generate.estimate import choose_plan
from engine.idle.reference_images import (
    IMAGES,
    Pixels,
    draw_images,
    find_limit,
    measure_distance,
    reference_plan,
)
from engine.plan.hardware.driver_errors import is_lost, is_out_of_memory
from engine.plan.hardware.driver_version import read_driver_version
from engine.plan.precision_table import find_row
from engine.plan.remedies import (
    AGREES,
    DIFFERS,
    REMEDIES,
    SelfTestResult,
    apply_remedies,
    read_result,
    write_result,
)
from engine.requests import ExecutionPlan, TextToImage
from engine.requests.resolved import ResolvedTextToImage
from engine.stopping import Stop

Remedies = tuple[str, ...]
"""Names of :data:`engine.plan.remedies.REMEDIES`."""

NO_STARTER = (
    "Not tested: the starter checkpoint, which draws the test's pictures, is not in the models folder. Press Repair to bring it "
    "back; the test follows by itself."
)


@dataclass(frozen=True)
class SelfTest:
    """The self-test of the device of ``state``, by ``images``."""

    state: EngineState
    images: Sequence[ResolvedTextToImage] = IMAGES

    @property
    def is_due(self) -> bool:
        """Whether this device was not tested yet with these versions, or should be tested again."""
        starter = self.find_starter()
        return self._read().is_due(self._list_versions(self._choose_plan(starter)) if starter else {})

    def run(self, stop: Stop) -> SelfTestResult:
        """Test the device, and store the result.

        Raises CancelledError soon after ``stop`` is set, and RuntimeError if the device is lost or has no memory left for it.
        Then the result of before stays.
        """
        before, starter = self._read(), self.find_starter()
        if starter is None:
            return self._keep(dataclasses.replace(before, versions={}, trouble=NO_STARTER))
        plan = self._choose_plan(starter)
        versions = self._list_versions(plan)
        unfinished = before.unfinished if before.versions == versions else 0
        self._keep(dataclasses.replace(before, versions=versions, trouble="", unfinished=unfinished + 1))
        try:
            found = self._test(starter, plan, stop)
        except CheckpointError as error:
            found = SelfTestResult(remedies=before.remedies, trouble=f"Not tested. {error}")
        except BaseException:
            self._keep(dataclasses.replace(before, unfinished=unfinished if before.versions == versions else before.unfinished))
            raise
        return self._keep(dataclasses.replace(found, versions=versions, date=date.today().isoformat()))

    def _test(self, starter: CheckpointEntry, plan: ExecutionPlan, stop: Stop) -> SelfTestResult:
        """Raises CheckpointError if the CPU cannot draw the images."""
        reference, hardware = self._draw(starter, reference_plan(plan), stop), self.state.hardware

        def measure(remedies: Remedies) -> float:
            changed = apply_remedies(plan, remedies, hardware)
            return max(self._measure(starter, each, reference, stop) for each in _list_variants(changed))

        distance = measure(())
        remedies: Remedies | None = ()
        if distance > 1:
            possible = [each.name for each in REMEDIES if each.apply(plan, hardware) != plan]
            remedies = find_remedies(possible, lambda names: measure(names) <= 1)
        return SelfTestResult(
            state=DIFFERS if remedies is None else AGREES, remedies=remedies or (),
            distance=distance if math.isfinite(distance) else None,
        )  # fmt: skip

    def _measure(self, starter: CheckpointEntry, plan: ExecutionPlan, reference: Sequence[Pixels], stop: Stop) -> float:
        """How far the images under ``plan`` are from ``reference``, in multiples of what is allowed; infinite without numbers."""
        try:
            drawn = self._draw(starter, plan, stop)
        except CheckpointError:
            return math.inf
        except RuntimeError as error:
            stop.raise_if_set()  # a library may have wrapped what the stop raised
            if is_out_of_memory(error) or is_lost(error):
                raise
            return math.inf
        return measure_distance(drawn, reference).exceeds(find_limit(plan))

    def _draw(self, starter: CheckpointEntry, plan: ExecutionPlan, stop: Stop) -> list[Pixels]:
        return draw_images(starter, plan, self.state.settings.data, stop, self.images)

    def _choose_plan(self, starter: CheckpointEntry) -> ExecutionPlan:
        """The plan of the starter without remedies, compiled where large checkpoints are by default."""
        plan = choose_plan(starter, TextToImage(checkpoint=starter.name), self.state.circumstances)
        compiler = find_row(self.state.hardware).compiler
        return dataclasses.replace(plan, compiler=compiler if compiler in self.state.hardware.extras else "")

    def _list_versions(self, plan: ExecutionPlan) -> dict[str, str]:
        """What a result counts for."""
        libraries = ("torch", "diffusers", *([plan.compiler] if plan.compiler else []))
        precision = ", ".join(f"{component} {dtype}" for component, dtype in sorted(plan.dtypes.items()))
        driver = read_driver_version(self.state.hardware.device)
        return {**{name: version(name) for name in libraries}, "driver": driver, "precision": precision}

    def find_starter(self) -> CheckpointEntry | None:
        """The checkpoint that draws; None if it is not there."""
        entries = self.state.catalogue.scan().of_kind("checkpoint")
        return next((entry for entry in entries if entry.family.is_bundled), None)

    def _read(self) -> SelfTestResult:
        return read_result(self.state.settings.data, self.state.hardware.device)

    def _keep(self, result: SelfTestResult) -> SelfTestResult:
        write_result(self.state.settings.data, self.state.hardware.device, result)
        return result


def find_remedies(possible: Sequence[str], agrees: Callable[[Remedies], bool]) -> Remedies | None:
    """The remedies with which ``agrees`` is true: the first that is enough alone, else the first ones together without those that
    are not needed; None if all together are not enough."""
    alone = next((name for name in possible if agrees((name,))), None)
    if alone is not None:
        return (alone,)
    together = (tuple(possible[:count]) for count in range(2, len(possible) + 1))
    taken = next((names for names in together if agrees(names)), None)
    for name in reversed(taken[:-1]) if taken else ():
        fewer = tuple(each for each in taken or () if each != name)
        if agrees(fewer):
            taken = fewer
    return taken


def _list_variants(plan: ExecutionPlan) -> Iterator[ExecutionPlan]:
    """``plan``, and where that is compiled, as small checkpoints run under it."""
    yield plan
    if plan.compiler:
        yield dataclasses.replace(plan, compiler="")
