"""Errors of the page, in addition to those of requests."""

from limelight.pipeline.errors import UsageError


class NotOffered(UsageError):
    """The page does not offer that much, or that; the message states the value, the limit and the remedy."""


class Forgotten(UsageError):
    """A result is no longer kept."""
