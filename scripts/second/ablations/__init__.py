"""Ablations: short runs from random weights that differ from the recipe in one thing, over two seeds."""
