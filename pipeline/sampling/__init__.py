"""From noise to a latent: trajectories, and the engine that samples many together."""
