"""The describer of the second world: its truth, words, data, training and scores."""
