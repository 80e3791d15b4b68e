"""One picture that a visitor requested, from the queue to its end."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image

from limelight.app.ui.access.visitor import Visitor
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.result import Result, Step

Preview = Callable[[], Image.Image]
State = Literal["waiting", "drawing", "done", "failed", "stopped"]


@dataclass(slots=True, eq=False)
class Ticket:
    """The state of one picture. The worker writes it, and the visitor's handler reads it.

    Attributes:
        visitor: asked for the picture.
        model: name of the model on the page's list.
        attention: order for backends; empty for an automatic choice.
        notify: is called in the worker's thread after every change.
        id: random, since it gives access to the picture's maps.
        version: grows with every change.
        step: the newest; dropped at the end.
        previews: of each prediction so far, its number and a function that draws its preview.
        began: seconds of the monotonic clock at the first step.
        error: why there is no picture.
        note: how the picture differs from what was asked.
    """

    visitor: Visitor
    model: str
    attention: str
    request: GenerationRequest
    notify: Callable[[], None]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = "waiting"
    version: int = 0
    step: Step | None = None
    previews: list[tuple[int, Preview]] = field(default_factory=list)
    began: float | None = None
    result: Result | None = None
    error: str = ""
    note: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "stopped")

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds to the last step at the pace so far; None before the second step."""
        step, began = self.step, self.began
        if self.state != "drawing" or step is None or began is None or step.index < 2:
            return None
        return (time.monotonic() - began) / (step.index - 1) * (step.count - step.index)

    def take(self, step: Step) -> None:
        """Notes the newest step."""
        self.began = self.began or time.monotonic()
        self.step = step
        if step.preview is not None:
            self.previews.append((step.index, step.preview))
        self._changed("drawing")

    def finish(self, result: Result) -> None:
        self.result = result
        self._over("done")

    def fail(self, error: str) -> None:
        self.error = error
        self._over("failed")

    def stopped(self) -> None:
        self._over("stopped")

    def _over(self, state: State) -> None:
        if not self.is_over:
            self.step = None
            self._changed(state)

    def _changed(self, state: State) -> None:
        self.state = state
        self.version += 1
        self.notify()
