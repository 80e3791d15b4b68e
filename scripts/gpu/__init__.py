"""Limelight on a GPU: what is right there, and how fast it is."""
