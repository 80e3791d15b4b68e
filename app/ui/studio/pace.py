"""Limits how long one step may take, since other visitors wait for it."""

import math
from collections.abc import Mapping, Sequence

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.access.limits import Limits
from limelight.app.ui.studio.desk import Key
from limelight.app.ui.studio.measure import measure
from limelight.app.ui.studio.step_times import StepTimes
from limelight.pipeline.requests.pixels import SIZE_MULTIPLE
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.result import Step
from limelight.pipeline.text_to_image import TextToImagePipeline

SLOWER = 1.5  # times as long as a step of the model's own size is always allowed


class Pace:
    """Estimates the time of a step, and refuses pictures whose steps would take too long."""

    def __init__(self, pipelines: Mapping[str, TextToImagePipeline], limits: Limits) -> None:
        self.pipelines = pipelines
        self.limits = limits
        self.times = StepTimes()

    def measure(self) -> None:
        """Measures steps of every model; call it before the first visitor comes."""
        for name, pipeline in self.pipelines.items():
            measure(pipeline.engine, name, self.times)

    def check(self, request: GenerationRequest, model: str) -> None:
        """Raises NotOffered where a step is estimated to take longer than others should wait for it.

        A model's own size is never refused, however slow the machine.
        """
        width, height = self._native(model)
        sides = [request.final_size, (request.width, request.height)]
        wide, high = max(((w or width, h or height) for w, h in sides), key=math.prod)
        rows = rows_of(request)
        own, takes = (self.times.seconds(model, n) for n in (width * height, wide * high))
        if own is None or takes is None or wide * high <= width * height:
            return
        most = max(self.limits.max_step_seconds, SLOWER * rows * own)
        if rows * takes > most:
            side = math.isqrt(self.times.most_pixels(model, most / rows)) // SIZE_MULTIPLE * SIZE_MULTIPLE
            raise NotOffered(
                f"one step of {wide}x{high} takes about {rows * takes:.0f} seconds on this server, and "
                f"others would wait for it; at most {most:.0f} seconds: draw {side}x{side} or smaller"
            )

    def max_rows(self, key: Key) -> int:
        """The largest number of rows in a call of such pictures."""
        rows, takes = (
            self.pipelines[key.model].engine.max_rows,
            self.times.seconds(key.model, self._pixels(key)),
        )
        return min(rows, max(2, int(self.limits.max_step_seconds / takes))) if takes else rows

    def note(self, key: Key, steps: Sequence[Step], seconds: float) -> None:
        """Notes the time of a call, if all of it was computed at the finished picture's size."""
        is_whole = all(
            not step.is_last
            and step.request.hires_scale is None
            and step.request.lossy_cache_interval == 1
            and not step.request.is_inverted  # its first steps have fewer rows
            for step in steps
        )
        if steps and is_whole:
            rows = sum(rows_of(step.request) for step in steps)
            self.times.note(key.model, self._pixels(key), rows, seconds)

    def _pixels(self, key: Key) -> int:
        width, height = self._native(key.model)
        return (key.size[0] or width) * (key.size[1] or height)

    def _native(self, model: str) -> tuple[int, int]:
        height, width = self.pipelines[model].model.native_size
        return width, height


def rows_of(request: GenerationRequest) -> int:
    """Rows of a step; an edit has those of the picture that it keeps too."""
    guided = 1 + request.is_guided
    if request.edit_of is None:
        return guided
    return guided + (1 if request.is_inverted else guided)
