"""A pool of latents: scenes are encoded once and used a few times, so that the denoiser never waits for the
composer."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from diffusers import AutoencoderKL
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader

from scripts.training.config import PoolConfig
from scripts.training.data import Sketch, Sketches, World
from scripts.training.grounding import masks, named
from scripts.training.relation import relation_targets
from scripts.training.text import TextSide
from scripts.training.tools.precision import mixed


@dataclass(frozen=True)
class Chunk:
    """Scenes as the denoiser sees them: latents and token ids."""

    mean: Float[Tensor, "n c h w"]
    std: Float[Tensor, "n c h w"]
    ids: Int[Tensor, "n m"]
    relations: Int[Tensor, "n m"]
    named: Int[Tensor, "n m"]
    masks: Float[Tensor, "n 3 k k"]

    @classmethod
    def of(cls, parts: list["Chunk"]) -> "Chunk":
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def __getitem__(self, picks: Int[Tensor, " b"]) -> "Chunk":
        return Chunk(*(getattr(self, field.name)[picks] for field in fields(self)))


class LatentPool:
    """A sliding window over an endless sequence of chunks. A step's batch depends only on its number and the
    world's seed.

    Args:
        workers: processes that sketch scenes ahead; painting and encoding stay on the world's device.
    """

    def __init__(
        self, config: PoolConfig, world: World, vae: AutoencoderKL, text: TextSide, workers: int = 0
    ):
        self.config, self.world, self.vae, self.text, self.workers = config, world, vae, text, workers
        self.chunks: list[Chunk] = []
        self.newest = -1

    def draw(self, step: int, size: int) -> tuple[Float[Tensor, "b c h w"], Chunk]:
        """Latents of a training batch and the scenes that they show; step numbers must not decrease."""
        chunk, window = self.config.chunk, self.config.window
        self._slide(window - 1 + step * size // (chunk * self.config.uses))
        device = self.world.device
        rng = np.random.default_rng([self.world.seed, 2, step])
        picks = torch.from_numpy(rng.integers(0, chunk * window, size)).to(device)
        drawn = self.all[picks]
        generator = torch.Generator(device).manual_seed(step)
        noise = torch.randn(drawn.mean.shape, generator=generator, device=device)
        return drawn.mean + drawn.std * noise, drawn

    def _slide(self, newest: int) -> None:
        if newest == self.newest:
            return
        if not self.chunks:
            self.newest = newest - self.config.window
            self.stream = self._sketches(self.newest + 1)
        for _ in range(newest - self.newest):
            self.chunks.append(self._encode(next(self.stream)))
        self.chunks = self.chunks[-self.config.window :]
        self.all, self.newest = Chunk.of(self.chunks), newest

    def _sketches(self, first: int) -> Iterator[Sketch]:
        source = Sketches(self.world.mixture, self.world.seed, self.config.chunk)
        rows = range(first, 10**9)
        return iter(DataLoader(source, batch_size=None, sampler=rows, num_workers=self.workers))  # type: ignore[arg-type]

    def _encode(self, sketch: Sketch) -> Chunk:
        batch = self.world.paint(sketch)
        with torch.no_grad(), mixed(self.world.device):
            posteriors = [
                self.vae.encode(part).latent_dist for part in batch.images.split(self.config.encode)
            ]
        ids = self.text.ids(sketch.captions)
        return Chunk(
            torch.cat([posterior.mean.float() for posterior in posteriors]),
            torch.cat([posterior.std.float() for posterior in posteriors]),
            ids,
            relation_targets(sketch, self.text, ids),
            named(batch, self.text, ids),
            masks(batch),
        )
