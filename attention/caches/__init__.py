"""Keys and values that are kept: for decoding and for prompts, side by side in memory or in blocks."""
