"""Training in two processes takes the steps that one process takes with the mean of both gradients."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from scripts.training.tools import parallel
from scripts.training.tools.muon import Muon

pytestmark = pytest.mark.long

SHAPES = ((32, 64), (64, 32), (64, 32), (48, 48))


def layers() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in SHAPES]


def gradients(rank: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(rank)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def step_of(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    assert parallel.size() == 2
    parameters = layers()
    for parameter, gradient in zip(parameters, gradients(rank), strict=True):
        parameter.grad = gradient
    parallel.average_gradients(parameters)
    Muon(parameters, lr=0.1).step()
    assert parallel.anyone(rank == 1)
    assert not parallel.anyone(False)
    torch.save([parameter.detach() for parameter in parameters], folder / f"{rank}.pt")
    parallel.close()


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    mp.spawn(step_of, (tmp_path,), nprocs=2)
    alone = layers()
    for parameter, one, other in zip(alone, gradients(0), gradients(1), strict=True):
        parameter.grad = (one + other) / 2
    Muon(alone, lr=0.1).step()
    for rank in (0, 1):
        for parameter, found in zip(alone, torch.load(tmp_path / f"{rank}.pt"), strict=True):
            torch.testing.assert_close(found, parameter.detach(), atol=1e-6, rtol=1e-5)


def test_alone_every_task_is_done_here() -> None:
    assert parallel.size() == 1
    assert all(parallel.is_mine(number) for number in range(3))
    assert parallel.anyone(True) and not parallel.anyone(False)
