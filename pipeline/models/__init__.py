"""Finds models, loads them, places them on a device and saves them."""
