from __future__ import annotations

from dataclasses import replace

from engine.records.compare import differences, facts
from engine.requests import Resolved


def test_the_same_machine_makes_no_difference(resolved: Resolved) -> None:
    assert differences(resolved, facts(resolved)) == []


def test_what_differs_is_named_the_weightiest_first(resolved: Resolved) -> None:
    plan = replace(resolved.plan, dtypes={"unet": "float32", "vae": "float32"})
    environment = {**resolved.environment, "torch": "2.16.0", "system": "Linux"}
    here = facts(replace(resolved, plan=plan, threads=8, checkpoint_hash="cd" * 32, environment=environment))
    then = replace(resolved, environment={**resolved.environment, "system": "Windows"})
    found = differences(then, here)
    assert [(d.field, d.matters) for d in found] == [
        ("Checkpoint", True),
        ("Precision", True),
        ("PyTorch", True),
        ("Threads", True),
        ("Operating system", False),
    ]
    assert (found[1].then, found[1].now) == ("unet bfloat16, vae float32", "unet float32, vae float32")
    assert all(d.why.endswith(".") for d in found)


def test_what_is_unknown_here_is_not_compared_and_what_is_new_counts(resolved: Resolved) -> None:
    assert differences(resolved, {}) == []
    assert differences(resolved, {"torch": "2.15.0", "unheard of": "1"}) == []
    strange = replace(resolved, environment={"kernel library": "3"})
    [found] = differences(strange, {"kernel library": ""})
    assert (found.field, found.then, found.now, found.matters) == ("kernel library", "3", "none", True)
