"""The rows of a manifest."""
