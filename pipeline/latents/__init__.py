"""Pictures and latents, one made from the other."""
