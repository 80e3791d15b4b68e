"""Training of the second edition in minutes, on one GPU: phases with deadlines, remedies for failures."""
