"""Caches of keys and values, for decoding and for prompts, contiguous or in blocks."""
