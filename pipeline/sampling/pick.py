"""Chooses the most promising of a few starts by the maps of one prediction of the prompt's row each.

A start is good where every word has a place of its own: its map has a high maximum, and lies on few of the
positions of the others. Without a model from outside, the best of N starts is nearly as good after one
prediction as after many (Fu et al. 2025, arXiv:2506.12633).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F

from limelight.attention import AttentionRuntime
from limelight.pipeline.errors import OutOfMemory
from limelight.pipeline.maps.request_maps import start_maps
from limelight.pipeline.models.model import Model
from limelight.pipeline.out_of_memory import memory_errors
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.firm import probed_sites
from limelight.pipeline.sampling.job import Job
from limelight.pipeline.sampling.passes import make_passes, make_trajectory
from limelight.pipeline.sampling.predict import predict
from limelight.pipeline.sampling.steering import RequestSteering
from limelight.pipeline.text.encoder import Conditioning, Word, words_of
from limelight.pipeline.text.small_words import SMALL_WORDS

OVERLAP = 0.1  # how much the overlap of two words counts, compared with the maximum of the weaker


@dataclass(frozen=True, slots=True)
class Start:
    """A seed, and how its first prediction scores.

    Attributes:
        maxima: word -> the maximum of its map.
        overlap: the largest share of their maps that two words have in common, 0 to 1; 0 for a single word.
    """

    seed: int
    maxima: Mapping[str, float]
    overlap: float

    @property
    def score(self) -> float:
        return min(self.maxima.values()) - OVERLAP * self.overlap


@dataclass(frozen=True, slots=True)
class Picked:
    """Starts that were tried, the best first."""

    starts: Sequence[Start]

    @property
    def why(self) -> list[str]:
        """A sentence for the best start, and one for the worst."""
        best, worst = self.starts[0], self.starts[-1]
        words = list(best.maxima)
        everyone = {1: f"*{words[0]}* has a place", 2: "both have a place"}.get(
            len(words), "all have a place"
        )
        shares = {word: worst.maxima[word] / max(best.maxima[word], 1e-9) for word in words}
        weakest = min(words, key=shares.__getitem__)
        weak = shares[weakest]
        has = "has none" if weak < 0.5 else f"has {weak:.0%} of that"
        return [f"seed {best.seed}: {everyone}", f"seed {worst.seed}: *{weakest}* {has}"]

    def to_dict(self) -> dict[str, Any]:
        """As a picture's record has it."""
        return {
            "seeds": [start.seed for start in self.starts],
            "scores": [round(start.score, 4) for start in self.starts],
            "why": self.why,
        }


def pick(
    request: GenerationRequest,
    model: Model,
    attention: AttentionRuntime,
    prompt: Conditioning,
    steering: RequestSteering | None,
    max_rows: int,
) -> Picked:
    """Tries the starts of a resolved request: its seed and those that follow it.

    Raises:
        OutOfMemory: there is no memory for one of them.
    """
    words = things(words_of(request.prompt, prompt.tokens), model)
    seeds = range(request.seed, request.seed + request.pick)
    jobs = [_job(replace(request, seed=seed, pick=1), model, attention, prompt, steering) for seed in seeds]
    for first in range(0, len(jobs), max_rows):
        try:
            with memory_errors():
                predict(model, jobs[first : first + max_rows])
        except torch.OutOfMemoryError:
            raise OutOfMemory(
                "not enough memory to try starts; set pick to 1, or draw a smaller one"
            ) from None
    starts = [_start(job, words, model) for job in jobs]
    return Picked(sorted(starts, key=lambda start: -start.score))


def things(words: Sequence[Word], model: Model) -> dict[str, tuple[int, ...]]:
    """The words that stand for things, with their tokens: no small words such as "of", and, if the model has
    a vocabulary, no colours or numbers. All words if none is left."""
    groups = {} if model.vocabulary is None else model.vocabulary.groups
    others = {
        word for name, phrases in groups.items() if name != "nouns" for p in phrases for word in p.split()
    }
    named = [word for word in words if word.text.lower() not in SMALL_WORDS | others] or words
    found: dict[str, tuple[int, ...]] = {}
    for word in named:
        found[word.text] = (*found.get(word.text, ()), *word.tokens)
    return found


def _job(
    request: GenerationRequest,
    model: Model,
    attention: AttentionRuntime,
    prompt: Conditioning,
    steering: RequestSteering | None,
) -> Job:
    """The job for the first prediction of a request, with its prompt's row alone."""
    trajectory = make_trajectory(request, model, make_passes(request, model))
    asked = next(trajectory)
    recorded = replace(request, record="site", record_extras=(), record_points=(), record_queries=())
    return Job(
        id=0,
        request=replace(recorded, lossy_cache_interval=1),
        negative=prompt,
        prompt=prompt,
        trajectory=trajectory,
        asked=replace(asked, x=asked.x[-1:], roles=["prompt"], wants_gradient=False),
        attention=attention,
        maps=start_maps(recorded, model, prompt, prompt, 1),
        steering=steering,
        num_predictions=1,
        num_recorded=1,
    )


def _start(job: Job, words: Mapping[str, tuple[int, ...]], model: Model) -> Start:
    assert job.maps is not None
    recording = job.maps.prompt
    if not recording.num_own:  # the prediction was not finite
        return Start(job.request.seed, dict.fromkeys(words, 0.0), 1.0)
    sites = probed_sites(model.unet, *job.asked.x.shape[2:])
    maps = torch.stack([recording.site(site) for site in sites]).mean(0).float().cpu()
    of_words = torch.stack([maps[list(tokens)].sum(0) for tokens in words.values()])
    smooth = F.avg_pool2d(of_words[:, None], 3, 1, 1, count_include_pad=False).flatten(1)
    shares = smooth / smooth.sum(1, keepdim=True)
    shared = [torch.minimum(a, b).sum().item() for a, b in combinations(shares, 2)]
    maxima = dict(zip(words, smooth.amax(1).tolist(), strict=True))
    return Start(job.request.seed, maxima, max(shared, default=0.0))
