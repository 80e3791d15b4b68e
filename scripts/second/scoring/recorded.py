"""Recorded maps of words whose true places are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from limelight.attention import AttentionRuntime, plan
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Recording
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.models.model import Model

SHARE = 0.5  # a pixel belongs to a thing that covers at least this share of it


@dataclass(frozen=True)
class Truth:
    """A word of a caption and the mask of what it names; `other` is the mask of another noun, if there is
    one."""

    scene: int
    kind: str  # noun, colour or ground, and in the second world material or stuff
    word: str
    mask: Bool[Tensor, "h w"]
    other: Bool[Tensor, "h w"] | None


@dataclass(frozen=True)
class Recorded:
    """Every truth's maps: one for each timestep and head of each site, on the finest grid; the end token's
    and those of the truth's other noun next to them. A word that has no tokens has maps of zeros."""

    truths: list[Truth]
    heads: list[tuple[str, int, int]]  # site, its grid's side, head
    timesteps: list[int]
    maps: Float[Tensor, "n t s h w"]
    end: Float[Tensor, "n t s h w"]

    def part(self, chosen: Sequence[int]) -> "Recorded":
        index = torch.tensor(list(chosen), dtype=torch.long)  # also where none is chosen
        truths = [self.truths[i] for i in chosen]
        return Recorded(truths, self.heads, self.timesteps, self.maps[index], self.end[index])

    def of_kind(self, kind: str) -> "Recorded":
        """The maps of words of one kind."""
        return self.part([i for i, truth in enumerate(self.truths) if truth.kind == kind])


def predict(
    model: Model, latents: Tensor, contexts: list[Tensor], timestep: int, seed: int
) -> list[Recording]:
    """Every head's maps of one prediction from noised latents, a recording for each row."""
    noising = model.schedulers.make("model")
    generator = torch.Generator().manual_seed(seed * 1000 + timestep)
    steps = torch.full((len(latents),), timestep)
    x = noising.add_noise(latents, torch.randn(latents.shape, generator=generator), steps)
    specs = model.unet.attention_specs(*latents.shape[2:], model.text.length, batch=len(latents))
    chosen = plan(specs, {site.name: site.kind for site in model.unet.sites})
    recordings = [Recording("head", len(context)) for context in contexts]
    recorder = RowRecorder(recordings)
    backends = {site: choice.backend for site, choice in chosen.items()}
    model.unet(x, steps, torch.stack(contexts), attention=AttentionRuntime(backends, recorder))
    recorder.commit()
    return recordings


def stacked(view: HeatMaps, tokens: Sequence[int]) -> Float[Tensor, "s h w"]:
    """Heads of all sites, one after the other, on the finest grid."""
    sums = view.recording.sums
    side = max(maps.shape[-1] for maps in sums.values())
    parts = []
    for name in sums:
        maps = view.recording.site(name)[:, list(tokens)].sum(1)
        parts.append(F.interpolate(maps[None], size=(side, side), mode="bilinear")[0])
    return torch.cat(parts)
