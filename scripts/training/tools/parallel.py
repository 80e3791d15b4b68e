"""Training in several processes, started by `torchrun` or `accelerate launch`, each with its share of every
batch."""

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn


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


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces every gradient by its mean over the processes, in one all-reduce."""
    if not dist.is_initialized():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


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
