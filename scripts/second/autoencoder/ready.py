"""A trained autoencoder whose latents are centred and have a given spread, channel by channel."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from scripts.second.autoencoder.kept import kept_weights
from scripts.second.autoencoder.training import HELD_OUT_STEP, build_vae
from scripts.second.training.config import TrainConfig
from scripts.second.training.data import World
from scripts.second.training.packed import load_packed
from scripts.training.tools import checkpoint
from scripts.training.vae_ready import normalise


def trained_vae(config: TrainConfig, world: World, run: Path) -> AutoencoderKL:
    """The autoencoder of stage `vae`, or of stage `decoder` if it has run, whose own 1x1 convolutions
    normalise its latents, so that `scaling_factor` is 1. Without stage `vae`, that of the packed weights in
    `run`, or else the one that is kept.

    Raises:
        FileNotFoundError: stage `vae` has not run, and there are no other weights of this size.
    """
    decoder, state = (checkpoint.load(run / f"{name}.pt") for name in ("decoder", "vae"))
    if state is None and (packed := load_packed(run).get("vae")):
        decoder, state = None, {"modules": {"vae": packed}}
    if state is None and (kept := kept_weights(config.vae)):
        decoder = state = {"modules": {"vae": kept}}
    if state is None:
        raise FileNotFoundError(f"{run / 'vae.pt'} does not exist; make it with stage `vae`")
    vae = build_vae(config.vae)
    vae.register_to_config(scaling_factor=1.0)
    vae.load_state_dict((decoder or state)["modules"]["vae"])
    vae.to(world.device).eval().requires_grad_(False)
    if decoder is None:
        with torch.no_grad():
            images = world.batch(HELD_OUT_STEP + 7, config.vae.measured).images
            latents = torch.cat([vae.encode(part).latent_dist.mean for part in images.split(32)])
        centre(vae, config, latents)
    return vae


def centre(vae: AutoencoderKL, config: TrainConfig, latents: Float[Tensor, "b c h w"]) -> None:
    """Centres the latents, and gives the first half of the channels a spread of 1 and the others
    `fine_spread`.

    Args:
        latents: as `vae` makes them of pictures of the world.
    """
    wanted = torch.ones(latents.shape[1], device=latents.device)
    wanted[latents.shape[1] // 2 :] = config.vae.fine_spread
    normalise(vae, latents.mean((0, 2, 3)), latents.std((0, 2, 3)) / wanted)


def vae_if_trained(config: TrainConfig, world: World, run: Path) -> AutoencoderKL | None:
    """As `trained_vae`; None if `run` has no autoencoder yet."""
    try:
        return trained_vae(config, world, run)
    except FileNotFoundError:
        return None
