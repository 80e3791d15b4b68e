"""Tools that several training stages use."""
