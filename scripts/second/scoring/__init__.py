"""Scores of the second edition: what it gets right, and how much its pictures look like renders."""
