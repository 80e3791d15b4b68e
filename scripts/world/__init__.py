"""The world that the default model draws: emoji on coloured grounds, and the captions that describe them."""
