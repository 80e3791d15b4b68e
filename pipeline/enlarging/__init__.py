"""Enlarges finished pictures by a network that was trained for it."""
