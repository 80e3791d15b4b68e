"""The fast form of the U-Net for a CPU, with the same predictions up to rounding."""

from limelight.unet.fast.fast_unet import FastUNet, optimize

__all__ = ["FastUNet", "optimize"]
