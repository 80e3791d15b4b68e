"""The sizes that SDXL's U-Nets are told beside the text.

Source: Podell et al. 2023, arXiv:2307.01952, section 2.2.
"""

# What the refiner is told of a picture's looks; the values that diffusers takes.
_SCORE, _NEGATIVE_SCORE = 6.0, 2.5


def size_ids(height: int, width: int, *, scored: bool, is_negative: bool) -> list[float]:
    """Original size and crop, then the target size, or for the refiner the score of its looks."""
    if scored:
        return [height, width, 0, 0, _NEGATIVE_SCORE if is_negative else _SCORE]
    return [height, width, 0, 0, height, width]
