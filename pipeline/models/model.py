"""A model: its parts and what it draws with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from limelight.pipeline.adapters.in_use import Adapters
from limelight.pipeline.errors import ModelError
from limelight.pipeline.families import Family
from limelight.pipeline.latents.preview import Preview
from limelight.pipeline.models.content_hash import ContentHash
from limelight.pipeline.models.prompt_cache import PromptCache
from limelight.pipeline.requests.schedulers import Schedulers
from limelight.pipeline.text.encoder import TextEncoder
from limelight.pipeline.text.vocabulary import Vocabulary
from limelight.unet import UNet, UNetConfig

Kind = Literal["draw", "inpaint", "edit"]


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that draws: U-Net, VAE, text encoder, and the scheduler's configuration.

    Attributes:
        name: as the caller gave it, or the folder's own name; goes into the picture's record.
        hash: of the content of all weights.
        vocabulary: the words it was trained on, where they are few and it says so.
        adapters: what it draws with beside its own weights; none at first.
        preview: reads latents roughly.
        prompt_cache: keys and values of prompts, for every engine that draws with it.
        schedulers: by name, made from `scheduler_config`.
    """

    name: str
    family: Family
    unet: UNet
    vae: Any
    text: TextEncoder
    scheduler_config: Mapping[str, Any]
    hash: ContentHash
    vocabulary: Vocabulary | None = None
    adapters: Adapters = field(init=False)
    preview: Preview = field(init=False)
    prompt_cache: PromptCache = field(init=False)
    schedulers: Schedulers = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "adapters", Adapters(self.unet, self.text))
        object.__setattr__(self, "preview", Preview(self.vae))
        object.__setattr__(self, "prompt_cache", PromptCache(self.unet, self.adapters))
        object.__setattr__(self, "schedulers", Schedulers(self.scheduler_config))

    @property
    def latent_factor(self) -> int:
        """Pixels per latent position, along one side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def native_size(self) -> tuple[int, int]:
        """Height and width in pixels of the pictures that the model was trained on."""
        height, width = self.unet.config.sample_size or (64, 64)  # Stable Diffusion 1's, where none is stated
        return height * self.latent_factor, width * self.latent_factor

    @property
    def kind(self) -> Kind:
        """What stands beside the latent at the U-Net's input, and so what the model does."""
        return kind_of(self.unet.config.in_channels, self.vae.config.latent_channels)

    @property
    def is_distilled(self) -> bool:
        """Whether the U-Net takes the guidance scale as an input, as latent consistency models do."""
        return self.unet.config.time_cond_dim is not None

    @property
    def is_scored(self) -> bool:
        """Whether the U-Net takes a score of the picture's looks in the place of its target size."""
        config = self.unet.config
        if config.added is None:
            return False
        return num_size_ids(config, self.text.encoders[-1].model.config.projection_dim) == 5

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Channels, height and width of the latent of a picture."""
        factor = self.latent_factor
        return self.vae.config.latent_channels, height // factor, width // factor


def num_size_ids(unet: UNetConfig, pooled_dim: int) -> int:
    """How many sizes such a U-Net takes beside the pooled text: 6 as SDXL, or 5 with a score as its refiner.

    Args:
        pooled_dim: features of the pooled text.

    Raises:
        ModelError: another number.
    """
    assert unet.added is not None
    rest = unet.added.input_dim - pooled_dim
    count, odd = divmod(rest, unet.added.size_embed_dim)
    if odd or count not in (5, 6):
        raise ModelError(
            f"the U-Net takes {unet.added.input_dim} added features; {pooled_dim} of pooled text leave "
            f"{rest}, which is neither 5 nor 6 sizes of {unet.added.size_embed_dim}"
        )
    return count


def kind_of(in_channels: int, latent_channels: int) -> Kind:
    """draw: nothing beside the latent. inpaint: mask and masked image. edit: the image (InstructPix2Pix).

    Raises:
        ModelError: something else, such as a depth map.
    """
    c = latent_channels
    kinds: dict[int, Kind] = {c: "draw", 2 * c + 1: "inpaint", 2 * c: "edit"}
    if in_channels not in kinds:
        raise ModelError(
            f"the U-Net takes {in_channels} channels; supported are {c} (latent), {2 * c + 1} (with mask and "
            f"masked image) and {2 * c} (with image)"
        )
    return kinds[in_channels]
