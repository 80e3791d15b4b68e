"""A request in flight, and which of them can share a call."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from limelight.attention import Choice
from limelight.attention.recording.recording import Recording
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.recordings import Recordings
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.trajectory import Ask, Trajectory
from limelight.pipeline.text.encoder import Conditioning

Plan = Mapping[str, Choice]  # site -> choice


@dataclass(slots=True)
class Job:
    """One request in flight.

    Attributes:
        deep: r c h w, the deep feature of the last prediction that was computed whole, where the request asks
            to have it taken again.
    """

    id: int
    request: GenerationRequest
    negative: Conditioning
    prompt: Conditioning
    plan: Plan  # of what is asked for now
    trajectory: Trajectory
    ask: Ask
    recorded: Recordings
    retries: list[str] = field(default_factory=list)
    deep: Tensor | None = None

    @property
    def conditioning(self) -> list[Conditioning]:
        """What each row that is asked for is drawn for; the last is the prompt's."""
        return [*[self.negative] * (len(self.ask.x) - 1), self.prompt]

    @property
    def recordings(self) -> list[Recording | None]:
        """What each row is recorded into."""
        return self.recorded.rows(len(self.ask.x)) if self.ask.recorded else [None] * len(self.ask.x)

    def maps(self, model: Model) -> HeatMaps | None:
        """A view of what is recorded so far, None where nothing is."""
        return self.recorded.maps(self.request, self.negative, self.prompt, model)


def pack(jobs: deque[Job], max_rows: int) -> list[Job]:
    """Takes from `jobs` the first, and those of its size that fit beside it, in order.

    Predictions that reuse a deep feature share no call with whole ones: they are another computation.
    """
    first = jobs.popleft()
    batch, others = [first], []
    room = max_rows - len(first.ask.x)
    while jobs:
        job = jobs.popleft()
        is_alike = job.ask.x.shape[1:] == first.ask.x.shape[1:] and job.ask.reuses == first.ask.reuses
        if is_alike and len(job.ask.x) <= room:
            batch.append(job)
            room -= len(job.ask.x)
        else:
            others.append(job)
    jobs.extend(others)
    return batch
