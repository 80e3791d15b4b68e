"""The enlarger of the second edition: a small network that enlarges the model's pictures."""
