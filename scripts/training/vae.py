"""Stage `vae`: pictures of 64x64 to latents of 16x16 and back."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from scripts.training.config import TrainConfig
from scripts.training.data import World
from scripts.training.grid import save_grid
from scripts.training.loop import Stage
from scripts.world.composer import PIXELS

HELD_OUT_STEP = 10**9


def build_vae(config: TrainConfig) -> AutoencoderKL:
    """A new autoencoder; each level halves the side, but for the last."""
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
        with torch.autocast(world.device, dtype=torch.bfloat16):
            posterior = vae.encode(images).latent_dist
            latents = posterior.mean + posterior.std * torch.randn(
                posterior.mean.shape, generator=noise, device=world.device
            )
            decoded = vae.decode(latents).sample.float()
        wrong = decoded - images
        square = wrong.square().mean()
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        crisp = config.vae.l1_weight * wrong.abs().mean() + config.vae.edge_weight * edges(wrong)
        return square + crisp + config.vae.kl_weight * kl, {"square": square.item(), "kl": kl.item()}

    def report(step: int) -> dict[str, float]:
        images = world.batch(HELD_OUT_STEP, 128).images
        with torch.no_grad():
            posterior = vae.encode(images).latent_dist
            decoded = vae.decode(posterior.mean).sample
        pairs = torch.stack([images[:32], decoded[:32]], 1).flatten(0, 1)
        save_grid(pairs / 2 + 0.5, folder / "samples" / f"vae-{step:06d}.png", 16)
        spread = posterior.mean.std((0, 2, 3))
        return {
            "psnr": psnr(decoded, images),
            "latent_std": spread.mean().item(),
            "latent_std_min": spread.min().item(),
        }

    parameters = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    stage = Stage(
        name="vae",
        config=config.vae.stage,
        groups=[(parameters, 1.0)],
        modules={"vae": vae},
        loss=loss,
        report=report,
    )
    return stage, vae


def edges(difference: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """The mean error of neighbouring pixels' differences: keeps outlines crisp."""
    across = (difference[..., 1:] - difference[..., :-1]).abs().mean()
    return across + (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()


def psnr(decoded: Float[Tensor, "b c h w"], images: Float[Tensor, "b c h w"]) -> float:
    """Decibels over the whole batch, for pictures of range -1..1."""
    error = ((decoded.clamp(-1, 1) - images) / 2).square().mean()
    return (-10 * error.log10()).item()
