"""The base of every error that Limelight raises on purpose.

A message states the value, the limit and the remedy. Each package defines its own errors on top of these two;
the common ones are exported by `limelight`.
"""


class LimelightError(Exception):
    """An error that a caller can act on. Anything else that is raised is a bug, or comes from a library."""


class UsageError(LimelightError, ValueError):
    """A value, file or combination of options that the caller gave cannot be used."""
