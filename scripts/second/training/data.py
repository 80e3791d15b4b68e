"""Batches of scenes, each a function of (seed, step) alone, so that a resumed run sees the same scenes as one
that never stopped."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from jaxtyping import Float
from torch import Tensor

from scripts.second.world.arrange import arrange
from scripts.second.world.atlas import Atlas
from scripts.second.world.layout import Layout
from scripts.second.world.painter import Painter, Pictures
from scripts.second.world.sampling import Mixture, sample_scene
from scripts.second.world.scene import Scene
from scripts.second.world.tiles import load_tiles


@dataclass(frozen=True)
class Batch:
    """Scenes and their pictures; `pictures.images` are in 0..1."""

    scenes: list[Scene]
    layout: Layout
    pictures: Pictures

    @property
    def images(self) -> Float[Tensor, "b 3 h w"]:
        """The pictures in -1..1, as the autoencoder expects them."""
        return self.pictures.images * 2 - 1


class World:
    """Draws batches; the pixels are computed and kept on `device`."""

    def __init__(self, folder: Path, mixture: Mixture, seed: int, device: str = "cpu"):
        self.painter = Painter(Atlas(load_tiles(folder)[:, : mixture.nouns], device))
        self.mixture, self.seed, self.device = mixture, seed, device

    def batch(self, step: int, size: int) -> Batch:
        rng = Random(f"{self.seed} {step}")
        return self.compose([sample_scene(rng, self.mixture) for _ in range(size)], rng)

    def compose(self, scenes: list[Scene], rng: Random) -> Batch:
        layout = arrange(scenes, self.painter.atlas.extents, rng)
        return Batch(scenes, layout, self.painter.paint(layout.to(self.device)))
