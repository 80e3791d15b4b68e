"""A trained autoencoder whose latents are centred and of unit variance, channel by channel."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from scripts.training.config import TrainConfig
from scripts.training.data import World
from scripts.training.tools import checkpoint
from scripts.training.vae import HELD_OUT_STEP, build_vae
from scripts.world.scene import sample_scene


def trained_vae(config: TrainConfig, world: World, run: Path) -> AutoencoderKL:
    """The autoencoder of stage `vae`, or of stage `decoder` if it has run, whose own 1x1 convolutions
    normalise its latents, so that `scaling_factor` is 1.

    Raises:
        FileNotFoundError: stage `vae` has not run.
    """
    decoder, state = (checkpoint.load(run / f"{name}.pt") for name in ("decoder", "vae"))
    if state is None:
        raise FileNotFoundError(f"{run / 'vae.pt'} does not exist; make it with stage `vae`")
    vae = build_vae(config)
    vae.register_to_config(scaling_factor=1.0)
    vae.load_state_dict((decoder or state)["modules"]["vae"])
    vae.to(world.device).eval().requires_grad_(False)
    if decoder is not None:
        return vae
    # The world's seed would differ between processes.
    rng = np.random.default_rng([config.seed, HELD_OUT_STEP])
    scenes = [sample_scene(rng, config.mixture) for _ in range(config.vae.measured)]
    latents = vae.encode(world.compose(scenes, rng).images).latent_dist.mean
    normalise(vae, latents.mean((0, 2, 3)), latents.std((0, 2, 3)))
    return vae


@torch.no_grad()
def normalise(vae: AutoencoderKL, mean: Float[Tensor, " c"], std: Float[Tensor, " c"]) -> None:
    """Folds `(latent - mean) / std` into the last convolution of the encoder, its inverse into the
    decoder's first."""
    channels = len(mean)
    into, out_of = vae.quant_conv, vae.post_quant_conv
    into.bias[:channels] -= mean
    into.bias[channels:] -= 2 * std.log()
    into.weight[:channels] /= std[:, None, None, None]
    into.bias[:channels] /= std
    out_of.bias += out_of.weight[:, :, 0, 0] @ mean
    out_of.weight *= std[None, :, None, None]
