"""Latents of scenes, made once and used a few times: the denoiser never waits for the composer."""

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from jaxtyping import Float, Int
from torch import Tensor

from scripts.training.data import World
from scripts.training.text import TextSide

CHUNK = 1024
WINDOW = 8
USES = 6
ENCODE_BATCH = 64


@dataclass(frozen=True)
class Chunk:
    """Scenes as the denoiser sees them."""

    mean: Float[Tensor, "n c h w"]
    std: Float[Tensor, "n c h w"]
    ids: Int[Tensor, "n m"]


class LatentPool:
    """A window over an endless row of chunks; what step `s` draws depends on `s` and the world's seed
    alone."""

    def __init__(self, world: World, vae: AutoencoderKL, text: TextSide):
        self.world, self.vae, self.text = world, vae, text
        self.chunks: dict[int, Chunk] = {}

    def draw(self, step: int, size: int) -> tuple[Float[Tensor, "b c h w"], Int[Tensor, "b m"]]:
        """Latents and token ids of a training batch."""
        newest = WINDOW - 1 + step * size // (CHUNK * USES)
        self._slide(newest)
        rng = np.random.default_rng([self.world.seed, 2, step])
        noise = torch.Generator(self.world.device).manual_seed(step)
        picks = rng.integers(0, CHUNK * WINDOW, size)
        rows = torch.from_numpy(picks).to(self.world.device)
        mean, std = self.window.mean[rows], self.window.std[rows]
        noises = torch.randn(mean.shape, generator=noise, device=self.world.device)
        return mean + std * noises, self.window.ids[rows]

    def _slide(self, newest: int) -> None:
        if newest in self.chunks:
            return
        wanted = range(newest, newest - WINDOW, -1)
        self.chunks = {index: self.chunks.get(index) or self._make(index) for index in wanted}
        parts = self.chunks.values()
        self.window = Chunk(
            torch.cat([chunk.mean for chunk in parts]),
            torch.cat([chunk.std for chunk in parts]),
            torch.cat([chunk.ids for chunk in parts]),
        )

    def _make(self, index: int) -> Chunk:
        batches = [
            self.world.batch(index * CHUNK + part, ENCODE_BATCH) for part in range(CHUNK // ENCODE_BATCH)
        ]
        with torch.no_grad(), torch.autocast(self.world.device, dtype=torch.bfloat16):
            posteriors = [self.vae.encode(batch.images).latent_dist for batch in batches]
        return Chunk(
            torch.cat([posterior.mean.float() for posterior in posteriors]),
            torch.cat([posterior.std.float() for posterior in posteriors]),
            self.text.ids([caption for batch in batches for caption in batch.captions]),
        )
