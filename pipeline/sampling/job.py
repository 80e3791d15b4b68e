"""Requests in flight, and which of them can share a U-Net call."""

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from limelight.attention import AttentionRuntime
from limelight.attention.recording.recording import Recording
from limelight.attention.steering import Steering
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.request_maps import RequestMaps
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.edits.editing import Editing
from limelight.pipeline.sampling.firm import FirmHand
from limelight.pipeline.sampling.sampler import PredictionRequest, Trajectory
from limelight.pipeline.sampling.steering import RequestSteering
from limelight.pipeline.text.encoder import Conditioning

CALLS_TO_RECOVER = 50


@dataclass(slots=True, kw_only=True)
class Job:
    """One request in flight.

    Attributes:
        asked: the prediction that its trajectory waits for.
        attention: the plan for the size of that prediction.
        steering: None where the request steers nothing.
        num_predictions: of all passes.
        num_recorded: of the first pass; a second, larger one has no maps.
        index: predictions made so far.
        num_inverted: predictions that come before the first pass, to find the noise of an image.
        base: the prompt of the picture that an edit keeps.
        notes: entries of the picture's record about how it began.
        deep: r c h w, the deep feature of the last prediction that was computed whole; None where there is
            none in this pass, or the request computes all of them whole.
        deep_index: which prediction that was.
    """

    id: int
    request: GenerationRequest
    negative: Conditioning
    prompt: Conditioning
    trajectory: Trajectory
    asked: PredictionRequest
    attention: AttentionRuntime
    maps: RequestMaps | None
    steering: RequestSteering | Editing | None
    num_predictions: int
    num_recorded: int
    index: int = 0
    base: Conditioning | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    retries: list[str] = field(default_factory=list)
    deep: Tensor | None = None
    deep_index: int = 0
    num_inverted: int = 0

    def send(self, prediction: Tensor) -> None:
        """Goes on to the next prediction.

        Raises:
            StopIteration: it was the last; the value is the final latent.
            PictureError: a second pass cannot begin.
        """
        was_led = self.asked.wants_gradient
        self.asked = self.trajectory.send(prediction)
        if was_led:
            return
        self.index += 1
        if self.num_drawn == self.num_recorded:  # a second pass begins
            self.deep = None

    @property
    def num_drawn(self) -> int:
        """Predictions of the passes made so far; negative while an image is inverted."""
        return self.index - self.num_inverted

    @property
    def num_rows(self) -> int:
        """How many rows of a call it takes."""
        return len(self.asked.x)

    @property
    def conditioning(self) -> list[Conditioning]:
        """The prompt of each row."""
        of = {"negative": self.negative, "base negative": self.negative, "base": self.base or self.prompt}
        return [of.get(role, self.prompt) for role in self.asked.roles]

    @property
    def recordings(self) -> list[Recording | None]:
        """The recording of each row."""
        if self.maps is None or not 0 <= self.num_drawn < self.num_recorded:
            return [None] * self.num_rows
        if not self.is_shown and self.progress >= self.steering_sees_until:
            return [None] * self.num_rows
        return self.maps.recordings(self.asked.roles)

    @property
    def is_shown(self) -> bool:
        """Whether the maps are the request's, or recorded for its steering alone."""
        return bool(self.request.record)

    @property
    def steering_sees_until(self) -> float:
        """The fraction of the predictions until which regions or a blend need maps, to locate their words."""
        if self.request.blend_words:
            return 1.0
        return max((each.start for each in self.request.regions if each.word), default=0.0)

    @property
    def steerings(self) -> list[Steering | None]:
        """The steering of each row."""
        if self.steering is None:
            return [None] * self.num_rows
        maps = None if self.maps is None else self.maps.heatmaps
        return self.steering.rows(self.asked.roles, self.progress, maps)

    @property
    def hand(self) -> FirmHand:
        """The words that lead the latent, for a step with a gradient."""
        assert isinstance(self.steering, RequestSteering)
        return self.steering.hand(self.progress)

    @property
    def progress(self) -> float:
        """Which part of the pass's predictions is made."""
        first, count = self.num_inverted, self.num_recorded
        if self.num_drawn >= self.num_recorded:
            first, count = first + count, self.num_predictions - first - count
        return (self.index - first) / count

    @property
    def kind(self) -> Hashable:
        """Equal for predictions that can share a call; those that take a deep feature, and gradients, are
        other computations."""
        return self.asked.x.shape[1:], self.takes_deep, self.asked.wants_gradient

    @property
    def heatmaps(self) -> HeatMaps | None:
        """A view of what is recorded so far, None where nothing is."""
        return None if self.maps is None or not self.is_shown else self.maps.heatmaps

    @property
    def base_heatmaps(self) -> HeatMaps | None:
        """As `heatmaps`, of the picture that an edit keeps."""
        return self.maps.base_view if self.maps is not None and self.heatmaps is not None else None

    @property
    def takes_deep(self) -> bool:
        """Whether the prediction takes the kept deep feature: one of `lossy_cache_interval` predictions is
        computed whole, and so is one of more rows than those that were kept.

        Source: N of Ma et al. 2023, arXiv:2312.00858.
        """
        if self.asked.wants_gradient or self.deep is None or self.num_rows > len(self.deep):
            return False
        return 0 < self.index - self.deep_index < self.request.lossy_cache_interval


class RowLimit:
    """How many rows a session's calls may have, of those that its engine allows.

    A lack of memory halves them. After `CALLS_TO_RECOVER` calls that went well they are doubled again: what
    took the memory, such as another session's pictures, may be gone.
    """

    def __init__(self) -> None:
        self._limit: int | None = None
        self._num_calls = 0

    def of(self, max_rows: int) -> int:
        return max_rows if self._limit is None else min(max_rows, self._limit)

    def lower(self, num_rows: int) -> int:
        """Sets the limit to half of `num_rows`, for which there was no memory, and returns it."""
        self._limit, self._num_calls = max(1, num_rows // 2), 0
        return self._limit

    def count_call(self, max_rows: int) -> None:
        """Counts a call for which there was memory."""
        if self._limit is None:
            return
        self._num_calls += 1
        if self._num_calls == CALLS_TO_RECOVER:
            doubled, self._num_calls = 2 * self._limit, 0
            self._limit = doubled if doubled < max_rows else None


def pack(jobs: deque[Job], max_rows: int) -> list[Job]:
    """Takes from `jobs` the first, and those of its kind that fit into its call, in order."""
    first = jobs.popleft()
    batch, others = [first], []
    room = max_rows - first.num_rows
    while jobs:
        job = jobs.popleft()
        if job.kind == first.kind and job.num_rows <= room:
            batch.append(job)
            room -= job.num_rows
        else:
            others.append(job)
    jobs.extend(others)
    return batch


def begun(trajectory: Trajectory) -> tuple[PredictionRequest, Tensor | None]:
    """The first prediction that a trajectory asks for, and None. A trajectory without predictions gives a
    stand-in, whose `denoised` is the finished latent, and that latent."""
    try:
        return next(trajectory), None
    except StopIteration as finished:
        latent: Tensor = finished.value
        return PredictionRequest(latent, ["prompt"], torch.zeros((), device=latent.device), latent), latent
