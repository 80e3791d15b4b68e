"""The describer in the box: its data, training and scores."""
