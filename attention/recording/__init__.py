"""Recording what attention did: probabilities, means, and how much memory they take."""
