"""Several processes of one thread each train one network together.

On a machine whose cores are shared this beats one process of several threads by far: the members meet once a step, the
threads of one process hundreds of times. Each member has the whole network and its own pictures; gradients are averaged
in shared memory, so all members take the same step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

import torch
import torch.multiprocessing as multiprocessing

MEET_SECONDS = 600  # a member that waits longer than this has lost the others


@dataclass
class Team:
    """One member's place in the team. `gradients` (members, parameters) and `orders` lie in shared memory."""

    rank: int
    size: int
    gradients: torch.Tensor
    orders: torch.Tensor
    barrier: Barrier | None = None
    parent: int = 0

    @classmethod
    def alone(cls) -> Team:
        return cls(0, 1, torch.empty(0), torch.zeros(2, dtype=torch.float64))

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def meet(self) -> None:
        if self.barrier is None:
            return
        if os.getppid() != self.parent:
            raise SystemExit("The process that started this one is gone, so the training ends.")
        self.barrier.wait(MEET_SECONDS)

    def agree(self, learning_rate: float, go_on: bool) -> tuple[float, bool]:
        """What the leader says counts for all: clocks of two processes never agree."""
        if self.leads:
            self.orders.copy_(torch.tensor([learning_rate, float(go_on)], dtype=torch.float64))
        self.meet()
        rate, going = self.orders.tolist()
        self.meet()
        return rate, bool(going)

    @torch.no_grad()
    def average(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Puts the mean of all members' gradients into each member's."""
        if self.size == 1:
            return
        _copy_flat((p.grad for p in parameters if p.grad is not None), self.gradients[self.rank], into_flat=True)
        self.meet()
        mean = self.gradients.mean(0)
        self.meet()
        _copy_flat((p.grad for p in parameters if p.grad is not None), mean, into_flat=False)


def _copy_flat(tensors: Iterable[torch.Tensor | None], flat: torch.Tensor, into_flat: bool) -> None:
    place = 0
    for tensor in tensors:
        assert tensor is not None
        piece = flat[place : place + tensor.numel()].view(tensor.shape)
        (piece if into_flat else tensor).copy_(tensor if into_flat else piece)
        place += tensor.numel()


def _member(
    rank: int,
    size: int,
    work: Callable[..., None],
    gradients: torch.Tensor,
    orders: torch.Tensor,
    barrier: Barrier,
    arguments: tuple[object, ...],
) -> None:
    torch.set_num_threads(1)
    work(Team(rank, size, gradients, orders, barrier, os.getppid()), *arguments)


def run_team(size: int, parameters: int, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """Runs `work(team, *arguments)` in `size` new processes; `parameters`: at least as many as the network has."""
    context = multiprocessing.get_context("spawn")
    gradients = torch.zeros(size, parameters).share_memory_()
    orders, barrier = torch.zeros(2, dtype=torch.float64).share_memory_(), context.Barrier(size)
    multiprocessing.spawn(_member, (size, work, gradients, orders, barrier, arguments), nprocs=size, join=True)
