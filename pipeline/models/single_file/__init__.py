"""Checkpoints in one file, in the original layout: U-Net, VAE and text encoders together."""
