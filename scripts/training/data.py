"""Batches of scenes, each a function of (seed, step) alone, so that a resumed run sees what it would have
seen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from scripts.world.captions import describe
from scripts.world.composer import Atlas, Pictures, arrange
from scripts.world.scene import Mixture, Scene, sample_scene
from scripts.world.tiles import load_tiles


@dataclass(frozen=True)
class Batch:
    """`pictures.images` are in 0..1."""

    scenes: list[Scene]
    captions: list[str]
    pictures: Pictures

    @property
    def images(self) -> Float[Tensor, "b 3 h w"]:
        """-1..1, as the autoencoder wants them."""
        return self.pictures.images * 2 - 1


class World:
    """Draws batches; `device` is where the pixels are."""

    def __init__(self, folder: Path, mixture: Mixture, seed: int, device: str = "cpu"):
        self.atlas = Atlas(load_tiles(folder), device)
        self.mixture, self.seed, self.device = mixture, seed, device

    def batch(self, step: int, size: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        return self.compose([sample_scene(rng, self.mixture) for _ in range(size)], rng)

    def compose(self, scenes: list[Scene], rng: np.random.Generator) -> Batch:
        captions = [describe(scene, rng) for scene in scenes]
        return Batch(scenes, captions, self.atlas.draw(arrange(scenes, rng, self.device)))
