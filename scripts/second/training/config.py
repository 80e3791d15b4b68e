"""Everything that makes the second edition, as one value; of two sizes, for two cores and for one GPU."""

from dataclasses import dataclass, field

from scripts.second.world.nouns import NOUNS
from scripts.second.world.sampling import Mixture
from scripts.training.config import StageConfig

VAE_MIXTURE = Mixture(
    single=0.25,
    pair=0.4,
    three=0.2,
    styles=(("flat", 0.12), ("silhouette", 0.03), ("sketch", 0.03), ("pixel art", 0.04)),
    nouns=len(NOUNS),
)


@dataclass(frozen=True, kw_only=True)
class VaeConfig:
    """The autoencoder: an eighth of the side, `latent_channels` channels.

    Of the steps, `crops` see windows of half the side around things, four for every whole picture, which cost
    the same. In `halved` of them the decoder gets latents of half the side for pictures of half the side
    (scale equivariance: Kouzelis et al. 2025, arXiv:2502.09509), in `nested` the first half of the channels
    alone. `latent_noise`: decoding sees latents that are off by up to this share of their spread.
    `on_things`: how many times more an error counts where things are.
    """

    channels: tuple[int, ...] = (32, 64, 128, 128)
    latent_channels: int = 8
    groups: int = 8
    kl_weight: float = 1e-4
    l1_weight: float = 0.1
    edge_weight: float = 0.05
    latent_noise: float = 0.15
    halved: float = 0.25
    nested: float = 0.25
    crops: float = 0.7
    on_things: float = 2.0
    mixture: Mixture = VAE_MIXTURE
    stage: StageConfig = StageConfig(
        steps=7000, batch=4, learning_rate=1e-3, warmup=100, decay=0.4, muon=True
    )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The second edition."""

    seed: int = 0
    mixture: Mixture = field(default_factory=Mixture)
    vae: VaeConfig = field(default_factory=VaeConfig)


TWO_CORES = TrainConfig()
