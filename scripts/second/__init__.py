"""The second edition of the default model: its world, training, scores. It takes the first edition's place
when its weights are released."""
