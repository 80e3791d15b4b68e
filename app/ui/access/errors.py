"""What the page refuses beside what a request does."""

from limelight.pipeline.errors import UsageError


class NotOffered(UsageError):
    """The page does not offer that much, or that; the message states the value, the limit and the remedy."""


class Forgotten(UsageError):
    """A result is no longer kept."""
