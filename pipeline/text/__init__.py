"""Reads prompts: syntax, tokens and embeddings."""
