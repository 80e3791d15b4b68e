"""The configuration that the shipped model was trained with."""

from dataclasses import dataclass, field

from scripts.world.scene import Mixture


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage: `steps` of `batch` scenes. The learning rate is constant, then falls linearly over the last
    `decay` of the steps. With `muon` hidden matrices are trained by Muon, the rest by AdamW."""

    steps: int
    batch: int
    learning_rate: float
    warmup: int = 200
    decay: float = 0.4
    weight_decay: float = 0.01
    muon: bool = False

    def rate(self, step: int) -> float:
        """The learning rate at this step."""
        falling = max(1.0, self.decay * self.steps)
        return self.learning_rate * min(
            1.0, (step + 1) / self.warmup, max(0.0, (self.steps - step) / falling)
        )


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """The text encoder, and its contrastive pretraining."""

    width: int = 256
    layers: int = 2
    heads: int = 4
    stage: StageConfig = StageConfig(steps=2000, batch=96, learning_rate=1e-3)


@dataclass(frozen=True, kw_only=True)
class VaeConfig:
    """The autoencoder, whose latents have a quarter of the side and `latent_channels` channels, normalised
    over `measured` scenes."""

    channels: tuple[int, ...] = (32, 64, 128)
    latent_channels: int = 4
    groups: int = 8
    kl_weight: float = 1e-4
    l1_weight: float = 0.1
    edge_weight: float = 0.05
    measured: int = 512
    latent_noise: float = 0.03
    stage: StageConfig = StageConfig(steps=4500, batch=4, learning_rate=2.5e-4, warmup=100, decay=0.5)
    decoder: StageConfig = StageConfig(steps=4000, batch=8, learning_rate=5e-4, warmup=100, decay=0.7)


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """The pool of latents: `window` chunks of `chunk` scenes, each scene used about `uses` times; `encode`
    scenes are encoded at once."""

    chunk: int = 1024
    window: int = 8
    uses: int = 6
    encode: int = 64


@dataclass(frozen=True, kw_only=True)
class UNetStageConfig:
    """The denoiser, cross-attention on 16x16 and 8x8.

    Timesteps are drawn from Beta(*timesteps): all kinds, but seldom where nothing can be seen, or nothing is
    left to do. `min_snr` weighs the loss (Hang et al. 2023); None weighs all timesteps alike. The first
    `small_first` of the steps see latents of half the side. `stage` is the last part of the training, which
    went on from published weights.
    """

    channels: tuple[int, ...] = (64, 128, 192)
    heads: int = 4
    groups: int = 16
    beta_start: float = 1e-4
    beta_end: float = 0.02
    text_rate: float = 0.5
    relation_weight: float = 0.1
    grounding_weight: float = 0.03
    drop_caption: float = 0.1
    timesteps: tuple[float, float] = (1.4, 1.6)
    min_snr: float | None = None
    small_first: float = 0.0
    ema: float = 0.999
    pool: PoolConfig = PoolConfig()
    stage: StageConfig = StageConfig(steps=2600, batch=64, learning_rate=6e-4, decay=0.8, muon=True)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The configuration of all stages of the shipped model."""

    seed: int = 0
    mixture: Mixture = field(default_factory=Mixture)
    text: TextConfig = field(default_factory=TextConfig)
    vae: VaeConfig = field(default_factory=VaeConfig)
    unet: UNetStageConfig = field(default_factory=UNetStageConfig)
    judge: StageConfig = StageConfig(steps=6000, batch=64, learning_rate=2e-3)


SHIPPED = TrainConfig()
