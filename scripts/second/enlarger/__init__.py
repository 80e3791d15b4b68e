"""A small net that enlarges what the model draws, trained on this world."""
