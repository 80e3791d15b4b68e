"""Visitors, their sessions, and the limits that hold for them."""
