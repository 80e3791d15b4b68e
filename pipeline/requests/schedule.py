"""The part of a training schedule that sampling takes, where a request says more than a number of steps."""

from dataclasses import dataclass
from inspect import signature
from typing import Any

from limelight.pipeline.errors import RequestError


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule in place of a scheduler's own, or a part of either.

    Attributes:
        timesteps, sigmas: in place of those that follow from the number of steps; empty for none. The last of
            `sigmas` is the noise level after the last step.
        start, end: between which parts of the training schedule steps are taken, 0 to 1.
    """

    timesteps: tuple[int, ...] = ()
    sigmas: tuple[float, ...] = ()
    start: float | None = None
    end: float | None = None

    @property
    def name(self) -> str:
        """The words that follow the number of steps in messages."""
        return ", which timesteps list" if self.timesteps else ", which sigmas list" if self.sigmas else ""

    def steps(self, scheduler: Any, name: str, num_steps: int) -> dict[str, Any]:
        """The arguments of `scheduler.set_timesteps`.

        Raises:
            RequestError: the scheduler takes no such schedule.
        """
        given: dict[str, Any] = {"timesteps": list(self.timesteps), "sigmas": list(self.sigmas)}
        given = {key: value for key, value in given.items() if value}
        for key in given:
            if key not in signature(scheduler.set_timesteps).parameters:
                raise RequestError(
                    f"{key} is given, and the scheduler {name!r} has its own; use euler, or set num_steps"
                )
        return given or {"num_inference_steps": num_steps}

    def part(self, scheduler: Any, skipped: int) -> tuple[int, int]:
        """The first of a set scheduler's timesteps to take, and the one after the last.

        Args:
            skipped: the first if there is no `start`.

        Source: diffusers' pipelines for Stable Diffusion XL, which cut at a timestep of the training
        schedule, and do not part the two predictions of a scheduler of second order.
        """
        timesteps, first = scheduler.timesteps, skipped
        if self.start is not None:
            num_left = int((timesteps < self._cut(scheduler, self.start)).sum())
            if scheduler.order == 2 and num_left % 2 == 0:
                num_left += 1
            first = max(0, len(timesteps) - num_left)
        if self.end is None or self.end == 1:
            return first, len(timesteps)
        return first, first + int((timesteps[first:] >= self._cut(scheduler, self.end)).sum())

    def _cut(self, scheduler: Any, part: float) -> int:
        count = scheduler.config.num_train_timesteps
        return round(count - part * count)


WHOLE = Schedule()
