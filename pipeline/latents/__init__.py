"""Converts pictures to latents and latents to pictures."""
