"""Reads the records that other programs write into pictures."""
