"""Checkpoints in one file, in the original layout: U-Net, VAE and text encoders together."""

from pipeline.single_file.load import load_single_file

__all__ = ["load_single_file"]
