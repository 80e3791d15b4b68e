"""A pool of latents: scenes are encoded once and used a few times, so that the denoiser never waits for the
composer."""

from random import Random

import numpy as np
import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from scripts.second.training.alignment import oracle
from scripts.second.training.config import PoolConfig
from scripts.second.training.data import Batch, World
from scripts.second.training.grounding import masks
from scripts.second.training.reading import questions
from scripts.second.training.text import TextSide
from scripts.second.world.captions import describe
from scripts.second.world.sampling import sample_scene
from scripts.training.tools.precision import mixed

Chunk = dict[str, Tensor]
"""Scenes as the denoiser sees them, a row each: `latents`, the fields of `Tokens`, `masks`, the fields of
`Oracle` and the answers of `questions`."""


class LatentPool:
    """A sliding window over an endless sequence of chunks. A step's batch depends only on its number, the
    world's seed and `rank`."""

    def __init__(self, config: PoolConfig, world: World, vae: AutoencoderKL, text: TextSide, rank: int = 0):
        self.rank = rank
        self.config, self.world, self.vae, self.text = config, world, vae, text
        self.chunks: list[Chunk] = []
        self.newest = -1
        self.all: Chunk = {}

    def draw(self, step: int, size: int) -> Chunk:
        """A training batch; step numbers must not decrease."""
        count, window = self.config.chunk, self.config.window
        self._slide(window - 1 + step * size // (count * self.config.uses))
        rng = np.random.default_rng([self.world.seed, 2, step, self.rank])
        picks = torch.from_numpy(rng.integers(0, count * window, size)).to(self.world.device)
        return {name: values[picks] for name, values in self.all.items()}

    def _slide(self, newest: int) -> None:
        if newest == self.newest:
            return
        first = newest - self.config.window + 1 if not self.chunks else self.newest + 1
        self.chunks += [self.chunk(number) for number in range(first, newest + 1)]
        self.chunks = self.chunks[-self.config.window :]
        self.newest = newest
        self.all = {name: torch.cat([chunk[name] for chunk in self.chunks]) for name in self.chunks[0]}

    def chunk(self, number: int) -> Chunk:
        """The chunk with this number."""
        rng = Random(f"{self.world.seed} pool {number} {self.rank}")
        parts = []
        for start in range(0, self.config.chunk, self.config.encode):
            count = min(self.config.encode, self.config.chunk - start)
            scenes = [sample_scene(rng, self.world.mixture) for _ in range(count)]
            parts.append(encode(self.world.compose(scenes, rng), self.vae, self.text, rng))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@torch.no_grad()
def encode(batch: Batch, vae: AutoencoderKL, text: TextSide, rng: Random) -> Chunk:
    """A batch of scenes with captions chosen by `rng`."""
    tokens = text.tokens([describe(scene, rng) for scene in batch.scenes])
    return look(batch, vae) | vars(tokens) | questions(batch.scenes, text.device)


def look(batch: Batch, vae: AutoencoderKL) -> Chunk:
    """The parts of a batch that do not depend on the captions."""
    device = batch.images.device.type
    with torch.no_grad(), mixed(device):
        latents: Float[Tensor, "b c h w"] = vae.encode(batch.images).latent_dist.mean.float()
    known = {f"oracle_{name}": values for name, values in vars(oracle(batch)).items()}
    return {"latents": latents, "masks": masks(batch)} | known
