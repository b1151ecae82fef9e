from __future__ import annotations

import pytest
import torch

from engine.compat.stop_hooks import raise_on_stop
from engine.errors import CancelledError, CheckpointError
from engine.generate.precision_guard import PrecisionGuard, describe_raised
from engine.stopping import Stop


def overflowing(dtype: torch.dtype = torch.float16) -> torch.nn.Linear:
    """A layer whose sums leave float16's range and stay well inside float32's."""
    layer = torch.nn.Linear(4, 4, bias=False)
    torch.nn.init.constant_(layer.weight, 30_000.0)
    return layer.to(dtype)


def run(guard: PrecisionGuard, layer: torch.nn.Linear) -> torch.Tensor:
    return guard.run("vae", layer, lambda dtype: layer(torch.full((1, 4), 10.0, dtype=dtype)).float())


def test_a_result_that_is_not_finite_is_computed_again_in_full_precision() -> None:
    layer = overflowing()
    with PrecisionGuard() as guard:
        assert torch.allclose(run(guard, layer), torch.tensor(1_200_000.0), rtol=1e-3)
        assert guard.raised == {"vae": "float32"} and layer.weight.dtype == torch.float32
        assert "full precision" in describe_raised(guard.raised)
    assert layer.weight.dtype == torch.float16, "what was lent goes back as it was"


def test_what_is_finite_is_left_alone() -> None:
    layer = torch.nn.Linear(4, 4, bias=False).half()
    with PrecisionGuard() as guard:
        run(guard, layer)
        assert not guard.raised and layer.weight.dtype == torch.float16


def test_a_checkpoint_that_is_not_finite_in_full_precision_is_named_damaged() -> None:
    layer = overflowing(torch.float32)
    torch.nn.init.constant_(layer.weight, float("nan"))
    with PrecisionGuard() as guard, pytest.raises(CheckpointError, match="damaged"):
        run(guard, layer)


def test_stop_is_heard_between_the_blocks_of_one_forward_pass() -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2
    )
    blocks = [m for m in vae.modules() if type(m).__name__ == "ResnetBlock2D"]
    stop, passed = Stop(), []
    for block in blocks:
        block.register_forward_hook(lambda *_: (passed.append(1), stop.set())[0])
    with raise_on_stop(stop, vae), pytest.raises(CancelledError):
        vae.decode(torch.zeros(1, 4, 4, 4))
    assert len(passed) == 1, "the first block sets Stop, and the second does not run"
    vae.decode(torch.zeros(1, 4, 4, 4))
    assert len(passed) > 3, "the hooks are gone"


def test_the_next_safer_precision_is_tried_first_and_remembered_by_name() -> None:
    layer = overflowing()
    steps = {"float16": "bfloat16", "bfloat16": "float32"}
    with PrecisionGuard(lambda _component, dtype: steps.get(dtype)) as guard:
        run(guard, layer)
        assert guard.raised == {"vae": "bfloat16"} and layer.weight.dtype == torch.bfloat16
        assert "bfloat16" in describe_raised(guard.raised)
    assert layer.weight.dtype == torch.float16


def black(result: torch.Tensor) -> bool:
    return bool((result <= 0).all())


def test_a_night_is_tried_once_more_and_then_accepted() -> None:
    layer, asked = torch.nn.Linear(2, 2).bfloat16(), []

    def night(dtype: torch.dtype) -> torch.Tensor:
        asked.append(dtype)
        return torch.zeros(1)

    with PrecisionGuard() as guard:
        guard.run("vae", layer, night, suspicious=black)
        assert asked == [torch.bfloat16, torch.float32]
        assert not guard.raised and layer.weight.dtype == torch.bfloat16


def test_what_is_black_in_half_precision_alone_is_taken_from_the_safer_one() -> None:
    layer = torch.nn.Linear(2, 2).bfloat16()

    def overflow(dtype: torch.dtype) -> torch.Tensor:
        return torch.full((1,), float(dtype == torch.float32))

    with PrecisionGuard() as guard:
        assert guard.run("vae", layer, overflow, suspicious=black) == 1
        assert guard.raised == {"vae": "float32"}


def test_in_full_precision_black_is_black() -> None:
    with PrecisionGuard() as guard:
        assert guard.run("vae", torch.nn.Linear(2, 2), lambda _: torch.zeros(1), suspicious=black) == 0
