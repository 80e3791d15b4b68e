"""A model: its parts and the objects made from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from limelight.pipeline.adapters.in_use import Adapters
from limelight.pipeline.enlarging.enlarger import Enlarger
from limelight.pipeline.enlarging.shock_filter import shock_enlarger
from limelight.pipeline.errors import ModelError
from limelight.pipeline.families import Family
from limelight.pipeline.latents.preview import Preview
from limelight.pipeline.models.best_maps import ALL, FINEST, BestMaps
from limelight.pipeline.models.content_hash import ContentHash
from limelight.pipeline.models.prompt_cache import PromptCache
from limelight.pipeline.requests.input_image import usual_size
from limelight.pipeline.requests.schedulers import Schedulers
from limelight.pipeline.text.encoder import TextEncoder
from limelight.pipeline.text.vocabulary import Vocabulary
from limelight.unet import DeepCacheUNet, UNetConfig

Kind = Literal["draw", "inpaint", "edit"]


class Model:
    """A text-to-image model: U-Net, VAE, text encoder and the configuration of its scheduler.

    Args:
        name: the name that the caller gave, or that of the folder; it is part of the picture's record.
        hash: hash of the content of all weights.
        vocabulary: the words that the model was trained on, if it lists them.
        best_maps: the combination of maps that the model specifies; None takes the family's.
        enlarger: makes finished pictures larger; None takes one that needs no training.
        folder: where it was loaded from; None for a model of one file.

    Attributes:
        adapters: the LoRAs and learned words in use; none at first.
        preview: draws rough previews of latents.
        prompt_cache: keys and values of prompts, shared by all engines of this model.
        schedulers: name -> scheduler, made from `scheduler_config`.
    """

    def __init__(
        self,
        *,
        name: str,
        family: Family,
        unet: DeepCacheUNet,
        vae: Any,
        text: TextEncoder,
        scheduler_config: Mapping[str, Any],
        hash: ContentHash,
        vocabulary: Vocabulary | None = None,
        best_maps: BestMaps | None = None,
        enlarger: Enlarger | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.family = family
        self.unet = unet
        self.vae = vae
        self.text = text
        self.scheduler_config = scheduler_config
        self.hash = hash
        self.vocabulary = vocabulary
        self.best_maps = best_maps or (FINEST if family.finest_maps else ALL)
        self.enlarger = enlarger or shock_enlarger(next(unet.parameters()).device)
        self.folder = folder
        self.adapters = Adapters(unet, text)
        self.preview = Preview(vae)
        self.prompt_cache = PromptCache(unet)
        self.schedulers = Schedulers(scheduler_config)

    @property
    def latent_factor(self) -> int:
        """Pixels per latent position, along one side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def native_size(self) -> tuple[int, int]:
        """Height and width in pixels of the pictures that the model was trained on."""
        height, width = self.unet.config.sample_size or (64, 64)  # Stable Diffusion 1's, if none is stated
        return height * self.latent_factor, width * self.latent_factor

    def size_for(self, image: tuple[int, int]) -> tuple[int, int]:
        """Width and height at which the model works on an image of such a size; see `usual_size`."""
        height, width = self.native_size
        return usual_size(image, (width, height))

    @property
    def kind(self) -> Kind:
        """The task of the model, which follows from the input channels of its U-Net."""
        return kind_of(self.unet.config.in_channels, self.vae.config.latent_channels)

    @property
    def is_distilled(self) -> bool:
        """Whether the U-Net takes the guidance scale as an input, as latent consistency models do."""
        return self.unet.config.time_cond_dim is not None

    @property
    def takes_sizes(self) -> bool:
        """Whether the U-Net is conditioned on sizes, as SDXL's are."""
        return self.unet.config.added is not None

    @property
    def is_scored(self) -> bool:
        """Whether the U-Net takes an aesthetic score instead of the target size."""
        config = self.unet.config
        if config.added is None:
            return False
        return num_size_ids(config, self.text.encoders[-1].model.config.projection_dim) == 5

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Channels, height and width of the latent of a picture."""
        factor = self.latent_factor
        return self.vae.config.latent_channels, height // factor, width // factor


def num_size_ids(unet: UNetConfig, pooled_dim: int) -> int:
    """How many sizes a U-Net takes with the pooled text: 6 as SDXL, or 5 as its refiner, which takes a score.

    Args:
        pooled_dim: features of the pooled text.

    Raises:
        ModelError: the number is neither 5 nor 6.
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
    """The task of a U-Net with these channels.

    `draw` takes only the latent, `inpaint` also a mask and the masked image, `edit` also the image
    (InstructPix2Pix).

    Raises:
        ModelError: it takes another input, such as a depth map.
    """
    c = latent_channels
    kinds: dict[int, Kind] = {c: "draw", 2 * c + 1: "inpaint", 2 * c: "edit"}
    if in_channels not in kinds:
        raise ModelError(
            f"the U-Net takes {in_channels} channels; supported are {c} (latent), {2 * c + 1} (with mask and "
            f"masked image) and {2 * c} (with image)"
        )
    return kinds[in_channels]
