"""Errors of the page, in addition to those of requests."""

from limelight.pipeline.errors import UsageError


class NotOffered(UsageError):
    """A value is beyond the page's own limits; the message states the value, the limit and the remedy."""


class Forgotten(UsageError):
    """The server has dropped a result."""
