"""Prevents black images: values that are not finite are detected and computed again in a safer precision.

Half precision overflows in some networks on some hardware (GTX 16xx; XL's VAE; Stable Diffusion 2.1's attention), and the
image comes out black. The guard checks each component's output. On NaN or infinity it moves the component to the next
safer precision, where it stays for the rest of the run, and the caller repeats the computation.

On a device that computes asynchronously, checking a result means waiting for it. There denoising steps are not checked: an
overflow shows in a preview or in the decoded image, and the image starts again from its noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType

import torch
from diffusers import ModelMixin

from engine.compat.hooks import change_dtype
from engine.errors import CheckpointError

Safer = Callable[[str, str], str | None]
"""(component, dtype) -> the next safer dtype for it, None if there is none."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""The precisions of a plan -> torch's."""

_COMPONENT_NAMES = {
    "unet": "denoiser (UNet)", "transformer": "denoiser (transformer)", "vae": "decoder (VAE)", "text_encoder": "text encoder",
}  # fmt: skip


def full_precision(_component: str, dtype: str) -> str | None:
    """Whether to go straight to float32."""
    return None if dtype == "float32" else "float32"


class Overflowed(Exception):
    """An earlier result was not finite. Its component is now in a safer precision, and the image must start again."""


class PrecisionGuard(AbstractContextManager["PrecisionGuard"]):
    """Checks the results of components during one run. At its end every component is restored to its precision. Use it only
    on the thread that runs the networks, whose weights it changes.
    """

    def __init__(self, safer: Safer = full_precision) -> None:
        self._safer = safer
        self._original: dict[str, tuple[torch.nn.Module, torch.dtype]] = {}
        self._raised: dict[str, str] = {}

    @property
    def raised(self) -> dict[str, str]:
        """Components whose output was not finite -> the precision that they run in now."""
        return dict(self._raised)

    def run(
        self,
        name: str,
        component: torch.nn.Module,
        call: Callable[[torch.dtype], torch.Tensor],
        suspicious: Callable[[torch.Tensor], bool] | None = None,
    ) -> torch.Tensor:
        """``call(dtype)``, repeated in the next safer precision until the result is finite. ``call`` must cast its own inputs.

        A finite but ``suspicious`` result is computed once more in safer precision, and then accepted. Raises CheckpointError
        if the result is not finite even in float32: then the checkpoint itself is damaged.
        """
        while not self.check(name, component, result := call(dtype_of(component))):
            pass
        if suspicious is not None and suspicious(result):
            return self._retry(name, component, call, suspicious, result)
        return result

    def check(self, name: str, component: torch.nn.Module, result: torch.Tensor) -> bool:
        """Whether ``result`` is finite. If not, ``component`` has been moved to the next safer precision and must compute it
        again.

        Raises CheckpointError as :meth:`run` does.
        """
        if torch.isfinite(result).all():
            return True
        self.raise_after_overflow(name, component)
        return False

    def raise_after_overflow(self, name: str, component: torch.nn.Module) -> None:
        """Move ``component`` to the next safer precision after a result that was not finite. Raises CheckpointError as
        :meth:`run` does."""
        if not self._raise(name, component):
            raise CheckpointError(
                f"The {_COMPONENT_NAMES.get(name, name)} of this checkpoint computes values that are not numbers, even in full "
                "precision. The file is probably damaged: choose another checkpoint, or fetch this one again."
            )
        self._raised[name] = _dtype_name(component)

    def _retry(
        self,
        name: str,
        component: torch.nn.Module,
        call: Callable[[torch.dtype], torch.Tensor],
        suspicious: Callable[[torch.Tensor], bool],
        result: torch.Tensor,
    ) -> torch.Tensor:
        before = dtype_of(component)
        if not self._raise(name, component):
            return result
        again = call(dtype_of(component))
        if not torch.isfinite(again).all() or suspicious(again):
            change_dtype(component, before)
            return result
        self._raised[name] = _dtype_name(component)
        return again

    def _raise(self, name: str, component: torch.nn.Module) -> bool:
        """Move ``component`` to the next safer precision; False if there is none."""
        safer = self._safer(name, _dtype_name(component))
        if safer is None:
            return False
        self._original.setdefault(name, (component, dtype_of(component)))
        change_dtype(component, DTYPES[safer])
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for component, dtype in self._original.values():
            change_dtype(component, dtype)


def dtype_of(component: torch.nn.Module) -> torch.dtype:
    """The dtype that ``component`` computes in, which may be wider than that of its stored weights."""
    return component.dtype if isinstance(component, ModelMixin) else next(component.parameters()).dtype


def _dtype_name(component: torch.nn.Module) -> str:
    return str(dtype_of(component)).removeprefix("torch.")


def describe_raised(raised: Mapping[str, str]) -> str:
    """A sentence for the page about :attr:`PrecisionGuard.raised`."""
    names = " and the ".join(_COMPONENT_NAMES.get(name, name) for name in raised)
    into = " and ".join(dict.fromkeys("full precision" if dtype == "float32" else dtype for dtype in raised.values()))
    return f"The {names} gave invalid numbers or an all-black picture and ran again in {into}, where it starts from now on."
