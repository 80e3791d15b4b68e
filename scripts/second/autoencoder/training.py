"""Stage `vae`: trains an autoencoder from pictures of 128x128 to latents of 16x16."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from scripts.second.autoencoder.teacher import distance, load_teacher
from scripts.second.training.config import TrainConfig, VaeConfig
from scripts.second.training.data import Batch, World
from scripts.second.world.layout import PIXELS
from scripts.training.loop import Stage
from scripts.training.tools.grid import save_grid
from scripts.training.tools.precision import mixed
from scripts.training.vae import edges

HELD_OUT_STEP = 10**9
DECODER_STEP = 10**7  # a step whose scenes stage `vae` does not see
CROP = PIXELS // 2


def build_vae(config: VaeConfig) -> AutoencoderKL:
    """A new autoencoder; each level but the last halves the side."""
    levels = len(config.channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=config.latent_channels,
        block_out_channels=config.channels,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        layers_per_block=1,
        norm_num_groups=config.groups,
        mid_block_add_attention=False,
        sample_size=PIXELS,
    )


def vae_stage(config: TrainConfig, world: World, folder: Path) -> tuple[Stage, AutoencoderKL]:
    """Trains both halves. The first channels of whole pictures imitate the latents of `config.inherits`."""
    torch.manual_seed(config.seed)
    vae = build_vae(config.vae).to(world.device, memory_format=torch.channels_last)
    teacher = load_teacher(config.inherits, world.device) if config.inherits else None

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([config.seed, 5, step])
        images, things = windows(world, config.vae, step, rng)
        generator = torch.Generator(world.device).manual_seed(step)
        taught = teacher.latents(images) if teacher and images.shape[-1] == PIXELS else None
        parts = vae_loss(vae, config.vae, images, things, rng, generator, taught)
        return parts.total, {"square": parts.square.item(), "kl": parts.kl.item()}

    def report_all(step: int) -> dict[str, float]:
        found = report(vae, world, folder / "samples" / f"vae-{step:06d}.png")
        return found | (
            {"missed": teacher.missed(vae, world.batch(HELD_OUT_STEP, 64).images)} if teacher else {}
        )

    stage = Stage(
        name="vae",
        config=config.vae.stage,
        groups=[([parameter for parameter in vae.parameters() if parameter.requires_grad], 1.0)],
        modules={"vae": vae},
        loss=loss,
        report=report_all,
    )
    return stage, vae


def decoder_stage(config: TrainConfig, world: World, vae: AutoencoderKL, folder: Path) -> Stage:
    """Trains the decoder alone. The encoder and the meaning of latents stay, so a denoiser can be trained at
    the same time.

    Args:
        vae: as `trained_vae` makes it.
    """
    torch.manual_seed(config.seed)
    parameters = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([config.seed, 6, step])
        images, things = windows(world, config.vae, step + DECODER_STEP, rng)
        generator = torch.Generator(world.device).manual_seed(step)
        return decoder_loss(vae, config.vae, images, things, rng, generator), {}

    return Stage(
        name="decoder",
        config=config.vae.decoder,
        groups=[(parameters, 1.0)],
        modules={"vae": vae},
        loss=loss,
        report=lambda step: report(vae, world, folder / "samples" / f"decoder-{step:06d}.png"),
    )


@dataclass(frozen=True)
class VaeLosses:
    """`total` is minimised; `square` is the mean squared error of pixels, `kl` the divergence of the latents
    from a normal distribution."""

    total: Float[Tensor, ""]
    square: Float[Tensor, ""]
    kl: Float[Tensor, ""]


def vae_loss(
    vae: AutoencoderKL,
    config: VaeConfig,
    images: Float[Tensor, "b 3 h w"],
    things: Float[Tensor, "b 1 h w"],
    rng: np.random.Generator,
    generator: torch.Generator,
    taught: Float[Tensor, "b c h8 w8"] | None = None,
) -> VaeLosses:
    """The losses of encoder and decoder.

    Args:
        taught: the latents that the first channels imitate.
    """
    with mixed(images.device.type):
        posterior = vae.encode(images).latent_dist
        missed = 0.0 if taught is None else distance(posterior.mean, taught)
        latents = posterior.mean + posterior.std * _normal(posterior.mean, generator)
        if rng.random() < config.halved:
            latents, images, things = (F.avg_pool2d(values, 2) for values in (latents, images, things))
        if rng.random() < config.nested:
            latents = latents * _first_half(latents)
        spread = latents.detach().std((0, 2, 3), keepdim=True)
        wrong = float(rng.uniform(0, config.latent_noise))
        decoded = vae.decode(latents + wrong * spread * _normal(latents, generator)).sample.float()
    square, crisp = errors(config, decoded - images, things)
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    total = square + crisp + config.kl_weight * kl + config.taught_weight * missed
    return VaeLosses(total, square, kl)


def decoder_loss(
    vae: AutoencoderKL,
    config: VaeConfig,
    images: Float[Tensor, "b 3 h w"],
    things: Float[Tensor, "b 1 h w"],
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    """The loss of the decoder alone, on slightly noised latents such as a denoiser makes."""
    with mixed(images.device.type):
        with torch.no_grad():
            latents = vae.encode(images).latent_dist.mean
        spread = latents.std((0, 2, 3), keepdim=True)
        wrong = float(rng.uniform(0, config.latent_noise))
        decoded = vae.decode(latents + wrong * spread * _normal(latents, generator)).sample.float()
    square, crisp = errors(config, decoded - images, things)
    return square + crisp


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)


def _first_half(latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "c 1 1"]:
    channels = torch.arange(latents.shape[1], device=latents.device)[:, None, None]
    return (channels < latents.shape[1] // 2).to(latents.dtype)


def windows(
    world: World, config: VaeConfig, step: int, rng: np.random.Generator
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 1 h w"]]:
    """The pictures of a step, -1..1, and where things are: whole pictures, or four times as many windows
    around things, two of each picture."""
    is_cropped = rng.random() < config.crops
    batch = world.batch(step, config.stage.batch * (2 if is_cropped else 1))
    images, things = batch.images, batch.pictures.things.sum(1, keepdim=True)
    if is_cropped:
        corners = _corners(batch, rng)
        images, things = (
            torch.cat(
                [whole[row : row + 1, :, top : top + CROP, left : left + CROP] for row, top, left in corners]
            )
            for whole in (images, things)
        )
    return images.contiguous(memory_format=torch.channels_last), things


def _corners(batch: Batch, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """The corners of two windows of each picture; each window holds the centre of one of its things."""
    corners = []
    for row, nouns in enumerate(batch.layout.noun.tolist()):
        shown = [slot for slot, noun in enumerate(nouns) if noun >= 0]
        for slot in rng.choice(shown, 2):
            middle = (batch.layout.y[row, slot].item(), batch.layout.x[row, slot].item())
            jitter = rng.uniform(-0.25, 0.25, 2) * CROP
            top, left = (
                int(np.clip(m - CROP / 2 + j, 0, PIXELS - CROP)) for m, j in zip(middle, jitter, strict=True)
            )
            corners.append((row, top, left))
    return corners


def errors(
    config: VaeConfig, wrong: Float[Tensor, "b c h w"], things: Float[Tensor, "b 1 h w"]
) -> tuple[Tensor, Tensor]:
    """The mean squared error and the error of edges; both weigh things more than the ground."""
    weight = 1 + (config.on_things - 1) * things
    weight = weight / weight.mean()
    crisp = config.l1_weight * (wrong.abs() * weight).mean() + config.edge_weight * edges(wrong)
    return (wrong.square() * weight).mean(), crisp


@torch.no_grad()
def report(vae: AutoencoderKL, world: World, grid: Path) -> dict[str, float]:
    """Peak signal-to-noise ratios in decibels on held-out scenes: of whole pictures, of things alone, from 4
    of the channels, from noised latents."""
    batch = world.batch(HELD_OUT_STEP, 64)
    images, things = batch.images, batch.pictures.things.sum(1, keepdim=True)
    means, decoded, rough, noised = [], [], [], []
    generator = torch.Generator(world.device).manual_seed(HELD_OUT_STEP)
    for part in images.split(16):
        with mixed(world.device):
            latents = vae.encode(part).latent_dist.mean
            spread = latents.std((0, 2, 3), keepdim=True)
            means.append(latents)
            decoded.append(vae.decode(latents).sample.float())
            rough.append(vae.decode(latents * _first_half(latents)).sample.float())
            noised.append(vae.decode(latents + 0.1 * spread * _normal(latents, generator)).sample.float())
    whole, spread = torch.cat(decoded), torch.cat(means).std((0, 2, 3))
    shown = torch.stack([images[:24], whole[:24]], 1).flatten(0, 1)
    save_grid(shown / 2 + 0.5, grid, 8, scale=1)
    return {
        "psnr": psnr(whole, images),
        "psnr_things": psnr(whole, images, things),
        "psnr_nested": psnr(torch.cat(rough), images),
        "psnr_noised": psnr(torch.cat(noised), images),
        "latent_std": spread.mean().item(),
        "latent_std_min": spread.min().item(),
    }


def psnr(
    decoded: Float[Tensor, "b c h w"],
    images: Float[Tensor, "b c h w"],
    where: Float[Tensor, "b 1 h w"] | None = None,
) -> float:
    """Decibels over the whole batch, for pictures of range -1..1; `where` weighs pixels."""
    error = ((decoded.clamp(-1, 1) - images) / 2).square()
    mean = error.mean() if where is None else (error * where).mean() / where.mean()
    return (-10 * mean.log10()).item()
