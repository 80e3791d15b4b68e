"""The autoencoder of the second edition: training, the teacher of its first channels, normalised latents."""
