"""Many pictures from one manifest, each drawn once whatever happens on the way."""
