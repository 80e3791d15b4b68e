"""Stage `enlarger`: learns to turn a picture that the autoencoder decoded into the true render at four times
the side."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.enlarging.network import SCALE, SIZES, EnlargerNetwork
from scripts.second.autoencoder.training import HELD_OUT_STEP, psnr
from scripts.second.training.config import TrainConfig
from scripts.second.world.arrange import arrange
from scripts.second.world.atlas import Atlas
from scripts.second.world.layout import PIXELS
from scripts.second.world.painter import Painter
from scripts.second.world.sampling import Mixture, sample_scene
from scripts.training.loop import Stage
from scripts.training.tools.grid import save_grid
from scripts.training.tools.precision import mixed
from scripts.training.vae import edges

CROP = 48  # side, in pixels, of the crop of the small picture that a step learns from
EDGES = 0.2


def enlarger_mixture(mixture: Mixture) -> Mixture:
    """Scenes in the styles whose art is sharp at any size."""
    return replace(mixture, styles=tuple(s for s in mixture.styles if s[0] not in ("pixel art", "sketch")))


class Pairs:
    """Small pictures as a model draws them, and true renders of the same scenes in four times the side.

    Args:
        tiles: of 256 pixels a side.
        vae: normalised; its latents are noised before they are decoded. Its device is that of the pictures.
    """

    def __init__(self, tiles: np.ndarray, mixture: Mixture, vae: AutoencoderKL, seed: int, noise: float):
        self.device = torch.device(vae.device)
        self.atlas, self.mixture, self.vae = Atlas(tiles[:, : mixture.nouns], self.device), mixture, vae
        self.painters = [Painter(self.atlas, scale) for scale in (1, SCALE)]
        self.seed, self.noise = seed, noise

    @torch.no_grad()
    def batch(self, step: int, size: int) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 fh fw"]]:
        """A training batch, both pictures of range -1..1: a function of the seed and `step` alone."""
        rng = Random(f"{self.seed} enlarger {step}")
        scenes = [sample_scene(rng, self.mixture) for _ in range(size)]
        layout = arrange(scenes, self.atlas.extents, rng).to(self.device)
        small, large = (painter.paint(layout).images * 2 - 1 for painter in self.painters)
        generator = torch.Generator(self.device).manual_seed(step)
        with mixed(self.device):
            latents = self.vae.encode(small).latent_dist.mean.float()
            noise = torch.randn(latents.shape, generator=generator, device=self.device)
            noise = noise * latents.std((0, 2, 3), keepdim=True)
            drawn = self.vae.decode(latents + self.noise * rng.random() * noise).sample.float().clamp(-1, 1)
        return drawn, large


def enlarger_stage(config: TrainConfig, pairs: Pairs, folder: Path) -> Stage:
    torch.manual_seed(config.seed)
    net = EnlargerNetwork(**SIZES).to(pairs.device)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        drawn, large = pairs.batch(step, config.enlarger.batch)
        rng = np.random.default_rng([config.seed, 8, step])
        top, left = rng.integers(0, (PIXELS - CROP) // 2 + 1, 2) * 2
        small = drawn[..., top : top + CROP, left : left + CROP]
        rows, columns = (slice(SCALE * start, SCALE * (start + CROP)) for start in (top, left))
        wanted = large[..., rows, columns]
        with mixed(pairs.device):
            wrong = net(small).float() - wanted
        return wrong.abs().mean() + EDGES * edges(wrong), {}

    @torch.no_grad()
    def report(step: int) -> dict[str, float]:
        drawn, large = pairs.batch(HELD_OUT_STEP, 8)
        found, plain = net(drawn), F.interpolate(drawn, scale_factor=float(SCALE), mode="bicubic")
        shown = torch.stack([plain[:4], found[:4], large[:4]], 1).flatten(0, 1)
        save_grid(shown / 2 + 0.5, folder / "samples" / f"enlarger-{step:06d}.png", 3, scale=1)
        return {"psnr": psnr(found, large), "psnr_bicubic": psnr(plain, large)}

    return Stage(
        name="enlarger",
        config=config.enlarger,
        groups=[(list(net.parameters()), 1.0)],
        modules={"net": net},
        loss=loss,
        report=report,
    )
