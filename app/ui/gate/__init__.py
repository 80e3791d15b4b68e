"""Bounds, times and checks all input from the network before anything else sees it."""
