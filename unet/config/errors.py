"""The error of configurations that are refused."""

from limelight.errors import UsageError


class UNetConfigError(UsageError):
    """A U-Net that this package cannot build; the message names the key, its value and what is supported."""
