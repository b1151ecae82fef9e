"""Never a black picture: numbers that are not finite are seen, and computed again in higher precision.

Half precision overflows in some networks on some hardware (GTX 16xx; XL's VAE; Stable Diffusion 2.1's attention), and the
picture comes out black. The guard runs a component, looks at what came out, and on NaN or infinity runs that same call again
with the component in float32. It stays there for the rest of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch

from engine.errors import CheckpointError


class PrecisionGuard(AbstractContextManager["PrecisionGuard"]):
    """Holds what was raised during one run, and puts it back at the end so that the cache finds what it lent."""

    def __init__(self) -> None:
        self._raised: dict[str, tuple[torch.nn.Module, torch.dtype]] = {}

    @property
    def raised(self) -> tuple[str, ...]:
        """Names of the components that had to run in float32."""
        return tuple(self._raised)

    def run(self, name: str, component: torch.nn.Module, call: Callable[[torch.dtype], torch.Tensor]) -> torch.Tensor:
        """``call(dtype)``, checked. ``call`` must cast its own inputs to the dtype it is given.

        Raises CheckpointError if the result is not finite even in float32: then the checkpoint itself is damaged.
        """
        result = call(_dtype_of(component))
        if torch.isfinite(result).all():
            return result
        if _dtype_of(component) != torch.float32:
            self._raised[name] = (component, _dtype_of(component))
            component.to(torch.float32)
            result = call(torch.float32)
        if not torch.isfinite(result).all():
            raise CheckpointError(
                f"The {_WORDS.get(name, name)} of this checkpoint computes values that are not numbers, even in full "
                "precision. The file is probably damaged: choose another checkpoint, or fetch this one again."
            )
        return result

    def __exit__(self, *_: object) -> None:
        for component, dtype in self._raised.values():
            component.to(dtype)


_WORDS = {"upscaler": "upscaler", "unet": "denoiser (UNet)", "vae": "decoder (VAE)", "text_encoder": "text encoder"}


def _dtype_of(component: torch.nn.Module) -> torch.dtype:
    """What it computes in, which is not what its weights are kept in where they are widened layer by layer."""
    return getattr(component, "dtype", None) or next(component.parameters()).dtype


def notice(components: tuple[str, ...]) -> str:
    """One line for the page about what :attr:`PrecisionGuard.raised` names."""
    names = " and the ".join(_WORDS.get(name, name) for name in components)
    return f"The {names} gave invalid numbers in half precision and ran again in full precision, where it starts from now on."
