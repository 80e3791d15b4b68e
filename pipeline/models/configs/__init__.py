"""Reads a model's configuration files, and checks them before a library sees them."""
