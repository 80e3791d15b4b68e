"""The U-Net of the Stable Diffusion family, read from diffusers' files."""

from unet.config import UNetConfig, UNetConfigError
from unet.deep_feature import DeepFeature
from unet.fast import optimize
from unet.sites import Site
from unet.unet import UNet
from unet.weights import WeightsError

__all__ = ["DeepFeature", "Site", "UNet", "UNetConfig", "UNetConfigError", "WeightsError", "optimize"]
