"""Stage `vae`: trains an autoencoder from pictures of 64x64 to latents of 16x16."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from scripts.training.config import TrainConfig
from scripts.training.data import World
from scripts.training.loop import Stage
from scripts.training.tools.grid import save_grid
from scripts.training.tools.precision import mixed
from scripts.world.composer import PIXELS

HELD_OUT_STEP = 10**9


def build_vae(config: TrainConfig) -> AutoencoderKL:
    """A new autoencoder; each level but the last halves the side."""
    levels = len(config.vae.channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=config.vae.latent_channels,
        block_out_channels=config.vae.channels,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        layers_per_block=1,
        norm_num_groups=config.vae.groups,
        mid_block_add_attention=False,
        sample_size=PIXELS,
    )


def vae_stage(config: TrainConfig, world: World, folder: Path) -> tuple[Stage, AutoencoderKL]:
    torch.manual_seed(config.seed)
    vae = build_vae(config).to(world.device)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        images = world.batch(step, config.vae.stage.batch).images
        noise = torch.Generator(world.device).manual_seed(step)
        with mixed(world.device):
            posterior = vae.encode(images).latent_dist
            latents = posterior.mean + posterior.std * torch.randn(
                posterior.mean.shape, generator=noise, device=world.device
            )
            decoded = vae.decode(latents).sample.float()
        square, crisp = _errors(config, decoded - images)
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return square + crisp + config.vae.kl_weight * kl, {"square": square.item(), "kl": kl.item()}

    parameters = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    stage = Stage(
        name="vae",
        config=config.vae.stage,
        groups=[(parameters, 1.0)],
        modules={"vae": vae},
        loss=loss,
        report=lambda step: _report(vae, world, folder / "samples" / f"vae-{step:06d}.png"),
    )
    return stage, vae


def decoder_stage(config: TrainConfig, world: World, vae: AutoencoderKL, folder: Path) -> Stage:
    """Trains the decoder alone, on slightly noised latents such as a denoiser makes. The encoder and the
    meaning of latents stay, so a denoiser can be trained at the same time.

    Args:
        vae: as `trained_vae` makes it.
    """
    torch.manual_seed(config.seed)
    parameters = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        images = world.batch(step, config.vae.decoder.batch).images
        random = torch.Generator(world.device).manual_seed(step)
        with mixed(world.device):
            with torch.no_grad():
                latents = vae.encode(images).latent_dist.mean
            noise = torch.randn(latents.shape, generator=random, device=world.device)
            decoded = vae.decode(latents + config.vae.latent_noise * noise).sample.float()
        square, crisp = _errors(config, decoded - images)
        return square + crisp, {"square": square.item()}

    return Stage(
        name="decoder",
        config=config.vae.decoder,
        groups=[(parameters, 1.0)],
        modules={"vae": vae},
        loss=loss,
        report=lambda step: _report(vae, world, folder / "samples" / f"decoder-{step:06d}.png"),
    )


def _errors(config: TrainConfig, wrong: Float[Tensor, "b c h w"]) -> tuple[Tensor, Tensor]:
    """The mean squared error and the error of edges."""
    crisp = config.vae.l1_weight * wrong.abs().mean() + config.vae.edge_weight * edges(wrong)
    return wrong.square().mean(), crisp


@torch.no_grad()
def _report(vae: AutoencoderKL, world: World, grid: Path) -> dict[str, float]:
    images = world.batch(HELD_OUT_STEP, 128).images
    posterior = vae.encode(images).latent_dist
    decoded = vae.decode(posterior.mean).sample
    save_grid(torch.stack([images[:32], decoded[:32]], 1).flatten(0, 1) / 2 + 0.5, grid, 16)
    spread = posterior.mean.std((0, 2, 3))
    return {
        "psnr": psnr(decoded, images),
        "latent_std": spread.mean().item(),
        "latent_std_min": spread.min().item(),
    }


def edges(difference: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """The mean error of the differences between neighbouring pixels: keeps outlines sharp."""
    across = (difference[..., 1:] - difference[..., :-1]).abs().mean()
    return across + (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()


def psnr(decoded: Float[Tensor, "b c h w"], images: Float[Tensor, "b c h w"]) -> float:
    """Peak signal-to-noise ratio in decibels over the whole batch, for pictures of range -1..1."""
    error = ((decoded.clamp(-1, 1) - images) / 2).square().mean()
    return (-10 * error.log10()).item()
