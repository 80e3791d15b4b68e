"""Training in several processes, started by `torchrun` or `accelerate launch`, each with its share of every
batch."""

import os
from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn


def join() -> tuple[int, int]:
    """The rank of this process and the number of processes; 0 and 1 if there is only one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return 0, 1
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), dist.get_world_size()


def size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_mine(number: int) -> bool:
    """Whether this process does the task of this number; the tasks are dealt out in turns."""
    return not dist.is_initialized() or number % dist.get_world_size() == dist.get_rank()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces every gradient by its mean over the processes, in one all-reduce."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    add_up(gradients)
    if dist.is_initialized():
        torch._foreach_div_(gradients, dist.get_world_size())


def add_up(tensors: Sequence[Tensor]) -> None:
    """Replaces every tensor by its sum over the processes, in one all-reduce."""
    if not dist.is_initialized() or not tensors:
        return
    flat = torch.cat([each.flatten() for each in tensors])
    dist.all_reduce(flat)
    start = 0
    for each in tensors:
        each.copy_(flat[start : start + each.numel()].view_as(each))
        start += each.numel()


def anyone(is_so: bool) -> bool:
    """Whether it is so in any of the processes, which must all ask."""
    if not dist.is_initialized():
        return is_so
    number = torch.tensor(int(is_so))
    dist.all_reduce(number)
    return bool(number)


def close() -> None:
    """Waits for the other processes, then leaves the process group."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
