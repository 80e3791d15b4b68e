"""The processes of one run that accelerate or torchrun has started."""

import os
import secrets
from dataclasses import dataclass

from limelight.pipeline.batch.errors import WorldError


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The position of this process among the processes of a run.

    Attributes:
        rank: number of the process, from 0.
        size: number of processes.
        run: name of the run, equal in all processes.
        worker: name of the process in the journal.
        local_rank: number among the processes on this machine, which selects its GPU.
    """

    rank: int = 0
    size: int = 1
    run: str
    worker: str = "0000"
    local_rank: int = 0


def rank_of_process() -> int:
    """The rank that a launcher has set for this process. It needs no import of accelerate."""
    return int(os.environ.get("RANK", 0))


def join(asked: int | None) -> World:
    """Joins the other processes once, to agree on the name of the run.

    Args:
        asked: the number of processes that the user wants; None accepts any. A single process is no error, as
            accelerate starts one without --multi_gpu: it then starts the others itself.

    Raises:
        WorldError: a launcher started several processes, but not as many.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size > 1 and asked is not None and asked != size:
        raise WorldError(
            f"workers is {asked} and {size} processes were started; give their launcher the same number, or "
            "do without it: limelight batch starts the processes of one machine itself"
        )
    if size == 1:
        return World(run=secrets.token_hex(8))
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    state = PartialState(cpu=True)
    (run,) = broadcast_object_list([secrets.token_hex(8)])
    rank, local = state.process_index, state.local_process_index
    state.destroy_process_group()
    return World(rank=rank, size=size, run=run, worker=f"{rank:04}", local_rank=local)


def device_of(device: str | None, world: World) -> str | None:
    """The device of a worker: each on a machine takes its own GPU, if there are GPUs."""
    import torch

    if device is None and world.size > 1 and torch.cuda.is_available():
        return f"cuda:{world.local_rank % torch.cuda.device_count()}"
    return device
