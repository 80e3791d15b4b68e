"""What tests have to know of the default model, read from its folder: they hold for each edition of it."""

import json

from limelight.pipeline.models.locate import DEFAULT_MODEL

_UNET, _VAE = (json.loads((DEFAULT_MODEL / part / "config.json").read_text()) for part in ("unet", "vae"))
SIDE: int = _UNET["sample_size"] * 2 ** (len(_VAE["block_out_channels"]) - 1)  # of its pictures, in pixels


def part(first: int, end: int) -> slice:
    """Rows or columns of its pictures, counted in 64ths of a side."""
    return slice(first * SIDE // 64, end * SIDE // 64)


UNKNOWN = "wombat"  # a word that no edition knows, and none that is like it
