"""What steering does, measured; and a model that is trained to follow it."""
