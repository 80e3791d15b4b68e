"""Follows the documentation as a newcomer does, from a clean clone in an empty home."""
