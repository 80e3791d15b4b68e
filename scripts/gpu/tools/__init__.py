"""Tools that several parts of the check use."""
