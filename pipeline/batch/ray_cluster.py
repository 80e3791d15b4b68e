"""Workers on a Ray cluster: actors that load the model once each, and draw into one shared folder.

The journal in that folder is the truth about what is done; Ray starts workers, and tells which have died.
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
from limelight.pipeline.batch.world import Team
from limelight.pipeline.errors import UsageError

DRIVER = "driver"
MAX_DEATHS = 3  # in a row, without a picture between them
PAUSE = 0.5  # seconds


@dataclass(slots=True)
class Cluster:
    """Starts workers, and others in the place of those that die.

    Args:
        address: `ray://HOST:PORT`, `auto`, or None for this machine alone.
        size: workers; None is one for each GPU of the cluster, or one where it has none.
        run: names the run.
        draw: what a worker does with its team, until all rows are settled; runs in an actor.
        ledger, journal: the folder's, and the driver's own part of it.
    """

    address: str | None
    size: int | None
    run: str
    draw: Callable[[Team], None]
    ledger: Ledger
    journal: Journal
    _started: int = 0
    _alive: dict[Any, tuple[Any, Team]] = field(default_factory=dict)  # what it returns -> actor, team

    def work(self, stop: Stop, report: Callable[[], None]) -> None:
        """Returns when all workers are done, or when it is asked to stop.

        Raises:
            OutputLost: the folder is full, or gone.
            WorldError: workers die as soon as they begin.
            UsageError: Ray is not installed, or no cluster is at the address.
        """
        ray = _ray()
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(f"no Ray cluster can be used at {self.address!r}: {error}") from None
        try:
            with stop.listening(), stop.deferred():  # Ray has put its own handlers in place of ours
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
        for place in range(size):
            start(place)
        while self._alive and not stop.is_asked:
            ended, _ = ray.wait(list(self._alive), timeout=PAUSE)
            self.ledger.read()
            report()
            if self._num_settled() > settled:
                deaths, settled = 0, self._num_settled()
            for one in ended:
                _, team = self._alive.pop(one)
                try:
                    ray.get(one)
                except ray.exceptions.RayActorError as error:
                    deaths += 1
                    self.journal.append({"dead": team.worker, "run": self.run}, flush=True)
                    if deaths > MAX_DEATHS:
                        raise WorldError(f"{deaths} workers died, one after another: {error}") from None
                    start(team.place)
                except ray.exceptions.RayTaskError as error:
                    cause = error.as_instanceof_cause()
                    raise cause if isinstance(cause, OutputLost | UsageError) else error from None

    def _num_settled(self) -> int:
        return len(self.ledger.done) + len(self.ledger.failed)

    def _start(self, ray: Any, size: int, num_gpus: int, place: int) -> None:
        name = f"ray{self._started:04}-{secrets.token_hex(2)}"
        self._started += 1
        team = Team(place=place, size=size, run=self.run, worker=name)
        actor = ray.remote(num_cpus=1, num_gpus=num_gpus, max_restarts=0)(_Actor).remote()
        self._alive[actor.draw.remote(self.draw, team)] = actor, team


class _Actor:
    def draw(self, draw: Callable[[Team], None], team: Team) -> None:
        draw(team)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray needs ray; pip install 'limelight[cluster]'") from None
    return ray
