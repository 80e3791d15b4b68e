"""Draws pictures for visitors in turn."""
