"""The loop that all stages share: steps with a learning-rate schedule, a log, checkpoints, samples. It can be
stopped and resumed anywhere."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from scripts.training.config import StageConfig
from scripts.training.tools import checkpoint, parallel
from scripts.training.tools.log import Log
from scripts.training.tools.muon import Muon, is_hidden


@dataclass(kw_only=True)
class Stage:
    """One stage: `loss(step)` returns the loss and numbers to log, `report(step)` measures and draws samples.

    Args:
        groups: parameters with their share of the learning rate.
        modules: what a checkpoint holds in addition to the optimizer.
        after: called after every step, for averages of weights.
    """

    name: str
    config: StageConfig
    groups: list[tuple[list[nn.Parameter], float]]
    modules: dict[str, nn.Module]
    loss: Callable[[int], tuple[Tensor, dict[str, float]]]
    report: Callable[[int], dict[str, float]]
    after: Callable[[], None] = lambda: None


def run(
    stage: Stage,
    folder: Path,
    *,
    rank: int = 0,
    log_every: int = 50,
    save_every: int = 500,
    report_every: int = 1000,
    seconds: float | None = None,
) -> None:
    """Trains until the stage's steps are done, from the last checkpoint in `folder` where there is one.

    SIGTERM has it save after the step at hand and return, and so has the end of `seconds`, if given. Of
    several processes only the one of rank 0 logs, saves and reports.
    """
    with _stopping(seconds) as stop:
        _steps(stage, folder, stop, rank, log_every, save_every, report_every)


@contextmanager
def _stopping(seconds: float | None) -> Iterator[threading.Event]:
    stop = threading.Event()
    timer = threading.Timer(max(0.0, seconds or 0.0), stop.set)
    timer.daemon = True
    # Only the main thread may set signal handlers.
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, lambda number, frame: stop.set()) if is_main else None
    if seconds is not None:
        timer.start()
    try:
        yield stop
    finally:
        timer.cancel()
        if is_main:
            signal.signal(signal.SIGTERM, before)


def _steps(
    stage: Stage,
    folder: Path,
    stop: threading.Event,
    rank: int,
    log_every: int,
    save_every: int,
    report_every: int,
) -> None:
    log, path = Log(folder, stage.name), folder / f"{stage.name}.pt"
    optimizers = optimizers_of(stage)
    start = _resume(stage, optimizers, path)
    sums: dict[str, float] = {}
    clock = time.monotonic()
    for step in range(start, stage.config.steps):
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = stage.config.rate(step) * group["share"]
        loss, numbers = stage.loss(step)
        loss.backward()
        parallel.average_gradients(parameter for parameters, _ in stage.groups for parameter in parameters)
        for parameters, _ in stage.groups:
            nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        stage.after()
        for key, value in {"loss": loss.item(), **numbers}.items():
            sums[key] = sums.get(key, 0.0) + value
        done, is_over = step + 1, parallel.anyone(stop.is_set())
        if rank == 0 and done % log_every == 0:
            speed = log_every * stage.config.batch * parallel.size() / (time.monotonic() - clock)
            log.write(done, **{key: value / log_every for key, value in sums.items()}, images_per_s=speed)
            sums, clock = {}, time.monotonic()
        if rank == 0 and (done % save_every == 0 or done == stage.config.steps or is_over):
            checkpoint.save(_state(stage, optimizers, done), path)
        if is_over:
            return
        if rank == 0 and (done % report_every == 0 or done == stage.config.steps):
            log.write(done, **stage.report(done))
            clock = time.monotonic()


def optimizers_of(stage: Stage) -> list[torch.optim.Optimizer]:
    """AdamW for all parameters; with `config.muon`, Muon for hidden matrices and AdamW for the rest."""
    config = stage.config
    groups: tuple[list[dict], list[dict]] = ([], [])
    for parameters, share in stage.groups:
        by_muon = [parameter for parameter in parameters if config.muon and is_hidden(parameter)]
        taken = {id(parameter) for parameter in by_muon}
        rest = [parameter for parameter in parameters if id(parameter) not in taken]
        for found, members in zip(groups, (rest, by_muon), strict=True):
            if members:
                found.append({"params": members, "share": share})
    rate, decay = config.learning_rate, config.weight_decay
    adamw = torch.optim.AdamW(groups[0], lr=rate, betas=(0.9, 0.99), weight_decay=decay, fused=True)
    return [adamw, Muon(groups[1], lr=rate, weight_decay=decay)] if groups[1] else [adamw]


def _state(stage: Stage, optimizers: list[torch.optim.Optimizer], step: int) -> dict:
    return {
        "step": step,
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "modules": {name: module.state_dict() for name, module in stage.modules.items()},
    }


def _resume(stage: Stage, optimizers: list[torch.optim.Optimizer], path: Path) -> int:
    state = checkpoint.load(path)
    if state is None:
        return 0
    if state["optimizers"] is not None:  # a run that begins from published weights has no optimizer state
        for optimizer, known in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(known)
    for name, module in stage.modules.items():
        module.load_state_dict(state["modules"][name])
    return state["step"]
