"""Prompts: their syntax, their tokens and their embeddings."""
