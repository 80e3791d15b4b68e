"""The configuration of the second edition's training, in two sizes: for two CPU cores and for one GPU."""

from dataclasses import dataclass, field, replace
from pathlib import Path

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

GPU_MIXTURE = Mixture(
    styles=(("flat", 0.08), ("silhouette", 0.02), ("sketch", 0.03), ("pixel art", 0.03)), weather=0.08
)
TEXT_MIXTURE = replace(GPU_MIXTURE, nouns=len(NOUNS))
GPU_STAGE = StageConfig(steps=4000, batch=1024, learning_rate=2e-3, decay=0.45, muon=True)
VAE_STAGE = StageConfig(steps=7000, batch=4, learning_rate=1e-3, warmup=100, decay=0.6, muon=True)
DECODER_STAGE = StageConfig(steps=2000, batch=4, learning_rate=5e-4, warmup=100, decay=0.7)
TEXT_STAGE = StageConfig(steps=1200, batch=128, learning_rate=1e-3)
COARSE_STAGE = StageConfig(steps=20_000, batch=64, learning_rate=8e-4, decay=0.0, muon=True)
UNET_STAGE = StageConfig(steps=6000, batch=64, learning_rate=1.2e-3, decay=0.4, muon=True)
JUDGE_STAGE = StageConfig(steps=6000, batch=64, learning_rate=2e-3)
ENLARGER_STAGE = StageConfig(steps=6000, batch=8, learning_rate=1e-3, warmup=100, decay=0.6)


@dataclass(frozen=True, kw_only=True)
class VaeConfig:
    """Training of the autoencoder, whose latents have an eighth of the side and `latent_channels` channels.

    Of the steps, `crops` see windows of half the side around things, four for every whole picture, which cost
    the same. In `halved` of them the decoder gets latents of half the side for pictures of half the side
    (scale equivariance: Kouzelis et al. 2025, arXiv:2502.09509), in `nested` the first half of the channels
    alone. `taught_weight`: how much it counts that the first channels of whole pictures are the latents of
    the first edition. `latent_noise`: decoding sees latents that are off by up to this share of their spread.
    `on_things`: how many times more an error counts where things are. `measured`: scenes by which latents are
    normalised: to a spread of 1, those of the second half of the channels to `fine_spread`. The smaller it
    is, the later in a picture's steps they appear from the noise, when the first half is clear.
    """

    channels: tuple[int, ...] = (32, 64, 128, 128)
    latent_channels: int = 8
    groups: int = 8
    kl_weight: float = 1e-4
    taught_weight: float = 0.05
    l1_weight: float = 0.1
    edge_weight: float = 0.05
    latent_noise: float = 0.15
    halved: float = 0.25
    nested: float = 0.1
    crops: float = 0.7
    on_things: float = 2.0
    measured: int = 256
    fine_spread: float = 0.4
    mixture: Mixture = VAE_MIXTURE
    stage: StageConfig = VAE_STAGE
    decoder: StageConfig = DECODER_STAGE


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """The text encoder, and its pretraining on captions of all nouns and all styles."""

    width: int = 256
    layers: int = 2
    heads: int = 4
    mixture: Mixture = TEXT_MIXTURE
    stage: StageConfig = TEXT_STAGE


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """The pool of latents: `window` chunks of `chunk` scenes, each scene used about `uses` times; `encode`
    scenes are encoded at once."""

    chunk: int = 512
    window: int = 8
    uses: int = 8
    encode: int = 32


@dataclass(frozen=True, kw_only=True)
class PaintConfig:
    """Painted words in training: in a `share` of the pictures each thing is painted with probability `words`,
    with a bias of `strength` nats."""

    share: float = 0.2
    words: float = 0.7
    strength: tuple[float, float] = (2.0, 6.0)


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """The denoiser, cross-attention on 16x16 and 8x8.

    Timesteps are drawn from Beta(*timesteps). `reading`, `grounding` and `alignment` are the
    weights of the additional losses; that of alignment falls to 0 at `aligned` of the steps. `ema`: the
    decays of the averages of weights. `held_out`: number of scenes by which the averages are compared.
    Networks of the default `channels` can begin with the first edition's weights.
    """

    channels: tuple[int, ...] = (64, 128, 192)
    heads: int = 4
    groups: int = 16
    beta_start: float = 1e-4
    beta_end: float = 0.02
    text_rate: float = 0.5
    reading: float = 0.05
    grounding: float = 0.03
    alignment: float = 0.1
    aligned: float = 0.6
    drop_caption: float = 0.1
    timesteps: tuple[float, float] = (1.4, 1.6)
    ema: tuple[float, float] = (0.999, 0.9998)
    held_out: int = 96
    paint: PaintConfig = PaintConfig()
    pool: PoolConfig = PoolConfig()
    coarse: StageConfig = COARSE_STAGE
    stage: StageConfig = UNET_STAGE


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The configuration of all stages. `inherits`: the folder of a model with whose weights denoiser and text
    encoder begin, and whose latents the autoencoder imitates; None to begin with random ones."""

    seed: int = 0
    inherits: Path | None = None
    mixture: Mixture = field(default_factory=Mixture)
    vae: VaeConfig = field(default_factory=VaeConfig)
    text: TextConfig = field(default_factory=TextConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    judge: StageConfig = JUDGE_STAGE
    enlarger: StageConfig = ENLARGER_STAGE

    def with_steps(self, stage: str, steps: int) -> "TrainConfig":
        """The same configuration with another number of steps for one stage."""
        if stage == "coarse":
            return replace(self, unet=replace(self.unet, coarse=replace(self.unet.coarse, steps=steps)))
        if stage == "decoder":
            return replace(self, vae=replace(self.vae, decoder=replace(self.vae.decoder, steps=steps)))
        part = getattr(self, stage)
        if isinstance(part, StageConfig):
            return replace(self, **{stage: replace(part, steps=steps)})
        return replace(self, **{stage: replace(part, stage=replace(part.stage, steps=steps))})


FIRST_EDITION = Path("pipeline/default_model")
TWO_CORES = TrainConfig(inherits=FIRST_EDITION)
ONE_GPU = TrainConfig(
    mixture=replace(GPU_MIXTURE, nouns=len(NOUNS)),
    unet=UNetConfig(channels=(128, 192, 256), stage=GPU_STAGE),
)
