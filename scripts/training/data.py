"""Batches of scenes, each a function of (seed, step) alone, so that a resumed run sees the same scenes as one
that never stopped."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from scripts.world.captions import describe
from scripts.world.composer import Atlas, Layout, Pictures, arrange
from scripts.world.scene import Mixture, Scene, sample_scene
from scripts.world.tiles import load_tiles


@dataclass(frozen=True)
class Sketch:
    """Scenes before they are painted."""

    scenes: list[Scene]
    captions: list[str]
    layout: Layout


@dataclass(frozen=True)
class Batch(Sketch):
    """Scenes and their pictures; `pictures.images` are in 0..1."""

    pictures: Pictures

    @property
    def images(self) -> Float[Tensor, "b 3 h w"]:
        """The pictures in -1..1, as the autoencoder expects them."""
        return self.pictures.images * 2 - 1


def sketch(scenes: list[Scene], rng: np.random.Generator) -> Sketch:
    """Captions and places for scenes."""
    captions = [describe(scene, rng) for scene in scenes]
    return Sketch(scenes, captions, arrange(scenes, rng))


@dataclass(frozen=True)
class Sketches:
    """An endless sequence of sketches of `size` scenes, which worker processes can prepare."""

    mixture: Mixture
    seed: int
    size: int

    def __getitem__(self, step: int) -> Sketch:
        rng = np.random.default_rng([self.seed, step])
        return sketch([sample_scene(rng, self.mixture) for _ in range(self.size)], rng)


class World:
    """Draws batches; the pixels are computed and kept on `device`."""

    def __init__(self, folder: Path, mixture: Mixture, seed: int, device: str = "cpu"):
        self.atlas = Atlas(load_tiles(folder), device)
        self.mixture, self.seed, self.device = mixture, seed, device

    def batch(self, step: int, size: int) -> Batch:
        return self.paint(Sketches(self.mixture, self.seed, size)[step])

    def compose(self, scenes: list[Scene], rng: np.random.Generator) -> Batch:
        return self.paint(sketch(scenes, rng))

    def paint(self, drawn: Sketch) -> Batch:
        pictures = self.atlas.draw(drawn.layout.to(self.device))
        return Batch(drawn.scenes, drawn.captions, drawn.layout, pictures)
