"""Draws many pictures from one manifest, each exactly once, also after crashes."""
