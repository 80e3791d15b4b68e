"""Measures steering, and trains a model that follows it better."""
