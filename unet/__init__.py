"""The U-Net of the Stable Diffusion family. It reads diffusers' files."""

from limelight.unet.config.errors import UNetConfigError
from limelight.unet.config.unet_config import UNetConfig
from limelight.unet.deep_feature import DeepCacheUNet, DeepFeature
from limelight.unet.fast import optimize
from limelight.unet.sites import Site
from limelight.unet.unet import UNet
from limelight.unet.weights.header import WeightsError

__all__ = [
    "DeepCacheUNet",
    "DeepFeature",
    "Site",
    "UNet",
    "UNetConfig",
    "UNetConfigError",
    "WeightsError",
    "optimize",
]
