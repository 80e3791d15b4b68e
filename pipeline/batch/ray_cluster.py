"""Workers on a Ray cluster: actors that each load the model once, and draw into one shared folder.

The journal in that folder decides what is done. Ray starts workers and reports which have died.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from limelight.pipeline.batch.errors import OutputLost, WorldError
from limelight.pipeline.batch.journal import Journal, Ledger
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.world import World
from limelight.pipeline.errors import UsageError

MAX_DEATHS = 3  # in a row, without a picture in between
PAUSE = 0.5  # seconds


@dataclass(slots=True)
class Cluster:
    """Starts workers, and replaces those that die.

    Args:
        address: `ray://HOST:PORT`, `auto`, or None for this machine only.
        size: number of workers; None means one for each GPU of the cluster, or one if it has none.
        run: names the run.
        draw: what a worker runs until all rows are settled; it runs in an actor.
        ledger, journal: the ledger of the folder, and the journal of the driver.
    """

    address: str | None
    size: int | None
    run: str
    draw: Callable[[World], None]
    ledger: Ledger
    journal: Journal
    _started: int = 0
    # future of an actor's result -> actor, world
    _alive: dict[Any, tuple[Any, World]] = field(default_factory=dict)

    def work(self, stop: Stop, report: Callable[[], None]) -> None:
        """Waits until all workers are done, or until `stop` is requested.

        Raises:
            OutputLost: the folder is full, or gone.
            WorldError: workers die as soon as they begin.
            UsageError: Ray is not installed, or there is no cluster at the address.
        """
        ray = _ray()
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(f"no Ray cluster can be used at {self.address!r}: {error}") from None
        try:
            with stop.listening(), stop.deferred():  # Ray has replaced our signal handlers
                self._work(ray, stop, report)
        finally:
            for actor, _ in self._alive.values():
                ray.kill(actor)
            ray.shutdown()

    def _work(self, ray: Any, stop: Stop, report: Callable[[], None]) -> None:
        deaths, settled = 0, self._num_settled()
        num_gpus = int(ray.cluster_resources().get("GPU", 0))
        size = self.size or num_gpus or 1
        start = partial(self._start, ray, size, 1 if num_gpus >= size else 0)
        for rank in range(size):
            start(rank)
        while self._alive and not stop.is_requested:
            ended, _ = ray.wait(list(self._alive), timeout=PAUSE)
            self.ledger.read()
            report()
            if self._num_settled() > settled:
                deaths, settled = 0, self._num_settled()
            for one in ended:
                _, world = self._alive.pop(one)
                try:
                    ray.get(one)
                except ray.exceptions.RayActorError as error:
                    deaths += 1
                    self.journal.append({"dead": world.worker, "run": self.run}, flush=True)
                    if deaths > MAX_DEATHS:
                        raise WorldError(f"{deaths} workers died, one after another: {error}") from None
                    start(world.rank)
                except ray.exceptions.RayTaskError as error:
                    cause = error.as_instanceof_cause()
                    raise cause if isinstance(cause, OutputLost | UsageError) else error from None

    def _num_settled(self) -> int:
        return len(self.ledger.done) + len(self.ledger.failed)

    def _start(self, ray: Any, size: int, num_gpus: int, rank: int) -> None:
        name = f"ray{self._started:04}-{secrets.token_hex(2)}"
        self._started += 1
        world = World(rank=rank, size=size, run=self.run, worker=name)
        actor = ray.remote(num_cpus=1, num_gpus=num_gpus, max_restarts=0)(_Actor).remote()
        self._alive[actor.draw.remote(self.draw, world)] = actor, world


class _Actor:
    def draw(self, draw: Callable[[World], None], world: World) -> None:
        draw(world)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray needs ray; pip install 'limelight[cluster]'") from None
    return ray
