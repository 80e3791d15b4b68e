"""Configurations that are refused."""


class UNetConfigError(ValueError):
    """A U-Net that this package cannot build; the message names the key, its value and what is supported."""
