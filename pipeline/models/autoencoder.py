"""Imports diffusers' VAE without optional packages that cannot run here."""

from importlib import import_module
from typing import Any

import torch


def autoencoder_class() -> Any:
    """`AutoencoderKL`. Without a CUDA device, diffusers is kept from importing xformers, which needs CUDA and
    would print six lines about it."""
    if not torch.cuda.is_available():
        import_module("diffusers.utils.import_utils")._xformers_available = False  # type: ignore[attr-defined]
    return import_module("diffusers.models.autoencoders.autoencoder_kl").AutoencoderKL
