"""The fields of a request, their limits, and how they are written as text."""
