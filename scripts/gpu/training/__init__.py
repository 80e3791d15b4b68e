"""Training of the second edition in minutes on one GPU: phases with deadlines, and recovery from failures."""
