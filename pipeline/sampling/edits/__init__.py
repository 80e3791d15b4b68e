"""Edits of the words of a picture: what is kept of it, where they end, and how an image becomes noise."""
