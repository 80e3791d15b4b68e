"""Loads checkpoints in a single file, in the original layout: U-Net, VAE and text encoders together."""
