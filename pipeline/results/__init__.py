"""Finished pictures, and what is written with them."""
