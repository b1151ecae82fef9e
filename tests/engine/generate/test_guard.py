from __future__ import annotations

import pytest
import torch

from engine.errors import Cancelled, CheckpointError
from engine.generate.guard import PrecisionGuard, notice
from engine.generate.interrupt import listening
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
        assert guard.raised == ("vae",) and layer.weight.dtype == torch.float32
        assert "full precision" in notice(guard.raised)
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
    with listening(stop, vae), pytest.raises(Cancelled):
        vae.decode(torch.zeros(1, 4, 4, 4))
    assert len(passed) == 1, "the first block sets Stop, and the second does not run"
    vae.decode(torch.zeros(1, 4, 4, 4))
    assert len(passed) > 3, "the hooks are gone"
