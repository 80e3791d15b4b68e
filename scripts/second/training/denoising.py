"""The denoiser's losses on one batch: the error of v on noised latents, and the additional losses."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from scripts.second.training import alignment
from scripts.second.training.attention import TrainingAttention
from scripts.second.training.config import TrainConfig
from scripts.second.training.grounding import grounding_loss
from scripts.second.training.painting import paint
from scripts.second.training.pool import Chunk
from scripts.second.training.reading import OF_SCENES, OF_THINGS, Readers, reading_loss
from scripts.second.training.text import Tokens
from scripts.second.world.layout import PIXELS
from scripts.training.tools.precision import mixed


def unet_config(config: TrainConfig) -> dict:
    """The denoiser's config, with diffusers' keys."""
    levels = len(config.unet.channels)
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": PIXELS // 2 ** (len(config.vae.channels) - 1),
        "in_channels": config.vae.latent_channels,
        "out_channels": config.vae.latent_channels,
        "block_out_channels": list(config.unet.channels),
        "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"] * (levels - 2),
        "up_block_types": ["UpBlock2D"] * (levels - 2) + ["CrossAttnUpBlock2D"] * 2,
        "cross_attention_dim": config.text.width,
        "attention_head_dim": config.unet.heads,
        "norm_num_groups": config.unet.groups,
    }


def scheduler(config: TrainConfig) -> DDIMScheduler:
    """The noise schedule. It ends in pure noise even for a flat picture, so that grounds can take any
    colour."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="linear",
        beta_start=config.unet.beta_start,
        beta_end=config.unet.beta_end,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


@dataclass(frozen=True)
class Losses:
    """`total` is minimised; the other values are for the log."""

    total: Float[Tensor, ""]
    denoising: Float[Tensor, ""]
    reading: Float[Tensor, ""]
    grounding: Float[Tensor, ""]
    alignment: Float[Tensor, ""]

    def numbers(self) -> dict[str, float]:
        return {name: value.item() for name, value in vars(self).items() if name != "total"}


SITES = tuple(f"{site}.transformer_blocks.0.attn2" for site in alignment.SITES)
Predicted = tuple[Tensor, Tensor, tuple[Tensor, ...]]


def predict(unet: nn.Module, x: Tensor, timesteps: Tensor, context: Tensor, paint: Tensor) -> Predicted:
    """Returns the denoiser's prediction, the mean map of the finest sites (b, n, m) and the queries of
    `SITES`: one graph for `torch.compile`."""
    attention = TrainingAttention(plan={}, paint=paint)
    predicted = unet(x, timesteps, context, attention=attention)
    return predicted, torch.stack(attention.maps).mean(0), tuple(attention.queries[site] for site in SITES)


@dataclass(frozen=True)
class Noised:
    """The random values of a batch: noise, dropped captions and painted tokens."""

    noise: Float[Tensor, "b c h w"]
    dropped: Bool[Tensor, " b"]
    paint: Float[Tensor, "b k k m"]


class Denoising(nn.Module):
    """The denoiser, its text encoder and the readers that only training uses.

    Args:
        empty: token ids of the empty caption.
    """

    def __init__(self, config: TrainConfig, unet: nn.Module, encoder: nn.Module, empty: Tensor):
        super().__init__()
        self.config = config
        self.model = nn.ModuleDict({"unet": unet, "encoder": encoder})
        self.readers = Readers(config.text.width)
        self.alignment = alignment.Readers((config.unet.channels[1],) * len(SITES))
        self.predict: Callable[..., Predicted] = predict
        self.register_buffer("empty", empty, persistent=False)
        self.register_buffer("kept", scheduler(config).alphas_cumprod, persistent=False)

    def draw(self, batch: Chunk, generator: torch.Generator) -> Noised:
        """Draws the random values of a step."""
        latents, config = batch["latents"], self.config.unet
        noise = torch.randn(latents.shape, generator=generator, device=latents.device)
        chance = torch.rand(len(latents), generator=generator, device=latents.device)
        dropped = chance < config.drop_caption
        bias = paint(config.paint, batch["names"], batch["masks"], generator)
        return Noised(noise, dropped, bias * ~dropped[:, None, None, None])

    def forward(
        self,
        batch: Chunk,
        noised: Noised,
        timesteps: Int[Tensor, " b"],
        progress: float,
        parts: nn.ModuleDict | None = None,
    ) -> Losses:
        """The loss.

        Args:
            progress: how much of the training is done, 0..1.
            parts: other weights of `model`, such as their average.
        """
        config, parts = self.config.unet, self.model if parts is None else parts
        latents, dropped = batch["latents"], noised.dropped
        ids = torch.where(dropped[:, None], self.empty, batch["ids"])
        kept = self.kept[timesteps][:, None, None, None]
        x = kept.sqrt() * latents + (1 - kept).sqrt() * noised.noise
        velocity = kept.sqrt() * noised.noise - (1 - kept).sqrt() * latents
        with mixed(latents.device.type):
            context = parts["encoder"](ids).last_hidden_state
            # Averaged weights run too rarely for a compilation to pay.
            call = self.predict if parts is self.model else predict
            predicted, maps, queries = call(parts["unet"], x, timesteps, context.float(), noised.paint)
        denoising = (predicted.float() - velocity).square().mean()
        tokens = Tokens(batch["ids"], batch["names"], batch["heads"], batch["ends"])
        asked = {name: batch[name] for name in (*OF_THINGS, *OF_SCENES, "present")}
        # Where the caption was dropped, the readers' losses do not train the encoder.
        readable = torch.where(dropped[:, None, None], context.detach(), context)
        reading, _ = reading_loss(self.readers, readable, tokens, asked)
        grounding = grounding_loss(maps, batch["names"], batch["masks"], (~dropped).float())
        weight = config.alignment * max(0.0, 1 - progress / config.aligned) if config.alignment else 0.0
        if weight:
            names = alignment.Oracle.__dataclass_fields__
            truth = alignment.Oracle(*(batch[f"oracle_{name}"] for name in names))
            clear = kept[:, 0, 0, 0].sqrt()  # no loss where noise hides the scene
            aligned = (self.alignment(queries, truth) * clear).mean()
        else:
            aligned = denoising.new_zeros(())
        total = denoising + config.reading * reading + config.grounding * grounding + weight * aligned
        return Losses(total, denoising, reading, grounding, aligned)
