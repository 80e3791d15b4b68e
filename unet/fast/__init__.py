"""The U-Net's exact fast path on a CPU. The plain U-Net does not know it."""

from limelight.unet.fast.fast_unet import FastUNet, optimize

__all__ = ["FastUNet", "optimize"]
