"""All that the release of a model of the second edition measures and draws."""
