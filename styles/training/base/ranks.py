"""The processes that train together, one on each card, as torchrun starts them (PyTorch's DistributedDataParallel).

Each of them, a rank, holds all weights, takes its share of the step's one draw, and gets the mean of all gradients. So
a training by several ranks is the one by a single rank, but for rounding, and goes on with another number of them. Only
the encoder's batch norms see the share of their rank alone.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

_T = TypeVar("_T")


class RankLostError(RuntimeError):
    """Another process of the training has ended, so that no step can be finished any more."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those that train together.

    Args:
        index: of this one, from 0; the first one writes the files.
        count: of all.
        card: the index of its card on this machine.
    """

    index: int = 0
    count: int = 1
    card: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.index == 0

    def device(self, device: torch.device) -> torch.device:
        """Returns what computes here: of several cards, the one of this process."""
        alone = self.count == 1 or device.type != "cuda"
        return device if alone else torch.device("cuda", self.card)

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Connects the processes, each of which computes on its `device`."""
        if self.count == 1:
            yield
            return
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=self.index, world_size=self.count)
        try:
            yield
        finally:
            # whatever holds the group keeps its threads, and one that lets go of a tensor while Python ends aborts
            gc.collect()
            dist.destroy_process_group()

    def first_alone(self, work: Callable[[], _T]) -> _T:
        """Returns what `work` returns: the first process does it before the others, which find what it has cached."""
        if self.is_first or self.count == 1:
            result = work()
            self._wait()
            return result
        self._wait()
        return work()

    def wrapped(self, module: nn.Module, some_unused: bool = False) -> nn.Module:
        """Returns a module whose gradients are the means over all processes.

        Args:
            module: computes the loss.
            some_unused: not every step uses all of its parameters.
        """
        return module if self.count == 1 else DistributedDataParallel(module, find_unused_parameters=some_unused)

    def of_first(self, tensors: Sequence[Tensor]) -> None:
        """Gives all processes the values of the first, in place."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def means(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """Returns the means over all processes of single numbers by name; all of them have the same names."""
        stacked = torch.stack([value.detach().float() for value in values.values()])
        if self.count > 1:
            dist.all_reduce(stacked)
            stacked /= self.count
        return dict(zip(values, stacked.tolist(), strict=True))

    def agreed(self, elapsed_s: float, stopping: bool, device: torch.device) -> tuple[float, bool]:
        """Returns the time of the first process, and whether any of them is to stop, so that all do the same."""
        if self.count == 1:
            return elapsed_s, stopping
        both = torch.tensor([elapsed_s if self.is_first else 0.0, float(stopping)], dtype=torch.float64, device=device)
        dist.all_reduce(both)
        time_s, stop = both.tolist()
        return time_s, stop > 0

    @contextmanager
    def noticed_loss(self) -> Iterator[None]:
        """Turns what PyTorch raises when another process has ended into a RankLostError."""
        try:
            yield
        except RuntimeError as exc:  # gloo raises that itself, and names itself
            if not isinstance(exc, dist.DistError) and "gloo" not in str(exc):
                raise
            raise RankLostError("a process of the training has ended") from exc

    def _wait(self) -> None:
        if self.count > 1:
            dist.barrier()


ALONE = Ranks()


def ranks_here() -> Ranks:
    """Returns the place of this process as torchrun has given it; ALONE without torchrun."""
    words = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    return Ranks(*map(int, words)) if all(word.isdigit() for word in words) else ALONE
