"""Checks of Limelight on a GPU: that results are right, and how fast it is."""
