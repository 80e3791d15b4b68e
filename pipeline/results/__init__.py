"""Finished pictures and the files that are written with them."""
