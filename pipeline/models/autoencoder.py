"""diffusers' VAE, imported without what cannot run here."""

from importlib import import_module
from typing import Any

import torch


def autoencoder_class() -> Any:
    """`AutoencoderKL`. Where torch sees no CUDA device, diffusers is kept from importing xformers, which runs
    on CUDA alone and prints six lines that say so."""
    if not torch.cuda.is_available():
        import_module("diffusers.utils.import_utils")._xformers_available = False  # type: ignore[attr-defined]
    return import_module("diffusers.models.autoencoders.autoencoder_kl").AutoencoderKL
