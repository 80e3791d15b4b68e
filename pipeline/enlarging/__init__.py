"""Enlarges finished pictures, by a network that was trained for it or by a filter."""

SHOCK_FILTER = "shock filter"  # the name of the filter in records
