"""The processes of one run, as accelerate or torchrun started them."""

import os
import secrets
from dataclasses import dataclass

from limelight.pipeline.batch.errors import WorldError


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """One process among those of a run.

    Attributes:
        place: from 0.
        size: processes of the run.
        run: names it, the same for all.
        worker: names the process in the run's journal.
        local_place: among the processes on this machine; the number of its GPU.
    """

    place: int = 0
    size: int = 1
    run: str
    worker: str = "0000"
    local_place: int = 0


def place_of_process() -> int:
    """This process's place as its launcher set it, before anything is loaded."""
    return int(os.environ.get("RANK", 0))


def join(asked: int | None) -> Team:
    """Meets the other processes once, to agree on the run's name; later the death of one hinders nobody.

    Args:
        asked: how many processes there should be; None takes those that there are. One process alone, as
            accelerate starts where it is not told --multi_gpu, is no fault: it starts the others itself.

    Raises:
        WorldError: there are several, but more or fewer.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size > 1 and asked is not None and asked != size:
        raise WorldError(
            f"workers is {asked} and {size} processes were started; give their launcher the same number, or "
            "do without it: limelight batch starts the processes of one machine itself"
        )
    if size == 1:
        return Team(run=secrets.token_hex(8))
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    state = PartialState(cpu=True)
    (run,) = broadcast_object_list([secrets.token_hex(8)])
    place, local = state.process_index, state.local_process_index
    state.destroy_process_group()
    return Team(place=place, size=size, run=run, worker=f"{place:04}", local_place=local)


def device_of(device: str | None, team: Team) -> str | None:
    """Each process on a machine takes a GPU of its own, where there are any."""
    import torch

    if device is None and team.size > 1 and torch.cuda.is_available():
        return f"cuda:{team.local_place % torch.cuda.device_count()}"
    return device
