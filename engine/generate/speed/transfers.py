"""Copies between RAM and a card that computes while this program goes on. On other devices they are ordinary copies.

A copy from or to ordinary memory waits until the card has done all that was asked of it before; one from or to page-locked memory
is only queued. So the card is never idle because the processor waits, as long as nothing reads a number back.
"""

from __future__ import annotations

from collections import deque

import torch


def runs_ahead(device: torch.device) -> bool:
    """Whether ``device`` computes asynchronously, so that the next step can be queued meanwhile."""
    return device.type == "cuda"


def send(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype | None = None) -> torch.Tensor:
    """``tensor`` on ``device``, in ``dtype``, without waiting for the device."""
    dtype = dtype or tensor.dtype
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device, dtype)
    return tensor.to(dtype).pin_memory().to(device, non_blocking=True)


class CopyToRam:
    """``tensor`` on its way to RAM. It holds what was computed by the work that was queued before, and waits for nothing queued
    since. May be called on any thread."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._copy = tensor.to("cpu", non_blocking=tensor.device.type == "cuda")
        self._copied = _mark(tensor.device)

    @property
    def is_done(self) -> bool:
        """Whether the copy is there."""
        return self._copied is None or self._copied.query()

    def __call__(self) -> torch.Tensor:
        """The copy; waits for it."""
        if self._copied is not None and not self.is_done:
            self._copied.synchronize()
        return self._copy


class Pace:
    """Lets steps be queued on ``device`` no further ahead than the one that it computes and the next one, so that Stop and
    progress are true."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._marks: deque[torch.cuda.Event] = deque()

    def step(self) -> None:
        """Call it after queueing a step; waits until the one before is done."""
        mark = _mark(self._device)
        if mark is None:
            return
        self._marks.append(mark)
        if len(self._marks) > 1:
            self._marks.popleft().synchronize()


def _mark(device: torch.device) -> torch.cuda.Event | None:
    """An event at the end of what is queued on ``device``; None where nothing is queued."""
    if device.type != "cuda":
        return None
    event = torch.cuda.Event(blocking=True)  # whoever waits for it sleeps
    event.record(torch.cuda.current_stream(device))
    return event
