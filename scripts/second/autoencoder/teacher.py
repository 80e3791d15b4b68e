"""The first edition's autoencoder on pictures of twice its side. The first channels of the new autoencoder
imitate its latents, so that a denoiser of these latents can be trained before the new ones exist."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from jaxtyping import Float
from torch import Tensor

from scripts.training.tools.precision import mixed


class Teacher(AutoencoderKL):
    """Encodes pictures of 128x128 by their means over 2x2 pixels, to latents of 16x16; enlarges what it
    decodes."""

    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderKLOutput:
        return super().encode(F.avg_pool2d(x, 2), return_dict)

    def decode(self, z: Tensor, return_dict: bool = True, generator: Any = None) -> DecoderOutput:
        small = super().decode(z, True, generator).sample
        return DecoderOutput(F.interpolate(small, scale_factor=2.0, mode="bicubic", antialias=True))

    @torch.no_grad()
    def latents(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h8 w8"]:
        """The latents of pictures in -1..1."""
        with mixed(images.device.type):
            return self.encode(images).latent_dist.mean.float()

    @torch.no_grad()
    def missed(self, vae: AutoencoderKL, images: Float[Tensor, "b 3 h w"]) -> float:
        """How far the first channels of another autoencoder are from this one's latents."""
        with mixed(images.device.type):
            found = torch.cat([vae.encode(part).latent_dist.mean for part in images.split(16)])
        return distance(found, torch.cat([self.latents(part) for part in images.split(16)])).item()


def load_teacher(folder: Path, device: str) -> Teacher:
    """The autoencoder in a model's folder; its latents have unit variance."""
    vae = Teacher.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    return vae.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


def distance(means: Float[Tensor, "b c h w"], taught: Float[Tensor, "b d h w"]) -> Float[Tensor, ""]:
    """The mean squared error of the first channels."""
    return (means[:, : taught.shape[1]] - taught).square().mean()
