"""Never a black picture: numbers that are not finite are seen, and computed again in higher precision.

Half precision overflows in some networks on some hardware (GTX 16xx; XL's VAE; Stable Diffusion 2.1's attention), and the
picture comes out black. The guard runs a component, looks at what came out, and on NaN or infinity runs that same call again
with the component in the next safer precision. It stays there for the rest of the run.

A device that computes what it was asked for while the next thing is asked would stand still whenever somebody looks, so there a
step is looked at one step later, and after an overflow the picture begins again; a decoded picture is looked at while the next
one is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import torch

from engine.errors import CheckpointError

Safer = Callable[[str, str], str | None]
"""(component, dtype) -> the next safer dtype for it, None if there is none."""


def full(_component: str, dtype: str) -> str | None:
    """Straight to full precision."""
    return None if dtype == "float32" else "float32"


class Overflowed(Exception):
    """What ran ahead was not finite. Its component is in safer precision now: begin again."""


class PrecisionGuard(AbstractContextManager["PrecisionGuard"]):
    """Holds what was raised during one run, and puts it back at the end so that the cache finds what it lent."""

    def __init__(self, safer: Safer = full) -> None:
        self._safer = safer
        self._lent: dict[str, tuple[torch.nn.Module, torch.dtype]] = {}
        self._raised: dict[str, str] = {}
        self._unseen: tuple[str, torch.nn.Module, Callable[[], bool]] | None = None

    @property
    def raised(self) -> dict[str, str]:
        """Components that gave invalid numbers -> the precision that they run in now."""
        return dict(self._raised)

    def run(
        self,
        name: str,
        component: torch.nn.Module,
        call: Callable[[torch.dtype], torch.Tensor],
        doubted: Callable[[torch.Tensor], bool] | None = None,
    ) -> torch.Tensor:
        """``call(dtype)``, checked, and in the next safer precision until it is finite. ``call`` must cast its own inputs.

        What is finite but ``doubted`` is tried once more in safer precision, and then accepted. Raises CheckpointError if the
        result is not finite even in float32: then the checkpoint itself is damaged.
        """
        result = call(_dtype_of(component))
        while not torch.isfinite(result).all():
            self._overflowed(name, component)
            result = call(_dtype_of(component))
        if doubted is not None and doubted(result):
            result = self._tried_again(name, component, call, doubted, result)
        return result

    def run_ahead(self, name: str, component: torch.nn.Module, call: Callable[[torch.dtype], torch.Tensor]) -> torch.Tensor:
        """``call(dtype)``, which is looked at after the next call, or by :meth:`settle`: only then either raises Overflowed."""
        result = call(_dtype_of(component))
        self.settle()
        finite = arriving(torch.isfinite(result).all())
        self._unseen = name, component, lambda: bool(finite())
        return result

    def run_beside(
        self,
        name: str,
        component: torch.nn.Module,
        call: Callable[[torch.dtype], torch.Tensor],
        doubted: Callable[[torch.Tensor], bool],
    ) -> Callable[[], torch.Tensor]:
        """As :meth:`run`, but only asked of the device: the function returned waits for the result, and gives it on the CPU.

        What is wrong with it is mended then, by :meth:`run`, so ``component`` must be free until that function has returned.
        """
        arrived = arriving(call(_dtype_of(component)))

        def look() -> torch.Tensor:
            result = arrived()
            if torch.isfinite(result).all() and not doubted(result):
                return result
            return self.run(name, component, call, doubted).cpu()

        return look

    def settle(self) -> None:
        """Look at what ran ahead. Raises Overflowed, or CheckpointError as :meth:`run` does."""
        unseen, self._unseen = self._unseen, None
        if unseen is None:
            return
        name, component, finite = unseen
        if not finite():
            self._overflowed(name, component)
            raise Overflowed

    def _overflowed(self, name: str, component: torch.nn.Module) -> None:
        """``component`` in the next safer precision; CheckpointError if there is none."""
        if not self._raise(name, component):
            raise CheckpointError(
                f"The {_WORDS.get(name, name)} of this checkpoint computes values that are not numbers, even in full "
                "precision. The file is probably damaged: choose another checkpoint, or fetch this one again."
            )
        self._raised[name] = _name_of(component)

    def _tried_again(
        self,
        name: str,
        component: torch.nn.Module,
        call: Callable[[torch.dtype], torch.Tensor],
        doubted: Callable[[torch.Tensor], bool],
        result: torch.Tensor,
    ) -> torch.Tensor:
        before = _dtype_of(component)
        if not self._raise(name, component):
            return result
        again = call(_dtype_of(component))
        if not torch.isfinite(again).all() or doubted(again):
            component.to(before)
            return result
        self._raised[name] = _name_of(component)
        return again

    def _raise(self, name: str, component: torch.nn.Module) -> bool:
        """Whether there is a safer precision, in which ``component`` is now."""
        further = self._safer(name, _name_of(component))
        if further is None:
            return False
        self._lent.setdefault(name, (component, _dtype_of(component)))
        component.to(getattr(torch, further))
        return True

    def __exit__(self, *_: object) -> None:
        for component, dtype in self._lent.values():
            component.to(dtype)


def arriving(asked: torch.Tensor) -> Callable[[], torch.Tensor]:
    """A function that gives ``asked`` on the CPU. It waits for the work before it, and for nothing asked of the device since."""
    if asked.device.type != "cuda":
        return asked.cpu
    here, copied = asked.to("cpu", non_blocking=True), torch.cuda.Event()
    copied.record(torch.cuda.current_stream(asked.device))

    def wait() -> torch.Tensor:
        copied.synchronize()
        return here

    return wait


_WORDS = {"upscaler": "upscaler", "unet": "denoiser (UNet)", "vae": "decoder (VAE)", "text_encoder": "text encoder"}


def _dtype_of(component: torch.nn.Module) -> torch.dtype:
    """What it computes in, which is not what its weights are kept in where they are widened layer by layer."""
    return getattr(component, "dtype", None) or next(component.parameters()).dtype


def _name_of(component: torch.nn.Module) -> str:
    return str(_dtype_of(component)).removeprefix("torch.")


def notice(raised: Mapping[str, str]) -> str:
    """One line for the page about :attr:`PrecisionGuard.raised`."""
    names = " and the ".join(_WORDS.get(name, name) for name in raised)
    into = " and ".join(dict.fromkeys("full precision" if dtype == "float32" else dtype for dtype in raised.values()))
    return f"The {names} gave invalid numbers or an all-black picture and ran again in {into}, where it starts from now on."
