"""The measurements of `python -m scripts.benchmark`, one in each file."""
