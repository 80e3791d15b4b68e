"""Checks of a request's fields: each raises RequestError with the value, the limit and the remedy."""

import math
import os
from typing import Any

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.input_image import SIZE_MULTIPLE, InputImage

MAX_PROMPT_CHARACTERS = 20_000
BYTES_PER_PIXEL = 1024  # two float32 activations of 128 channels, which the last stage of a VAE decoder holds


def check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise RequestError(f"{name} is {text!r}; must be text")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise RequestError(f"{name} has {len(text):,} characters; at most {MAX_PROMPT_CHARACTERS:,}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"{name} is not valid text: character {error.start} is a lone surrogate; remove it"
        ) from None


def check_integer(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestError(f"{name} is {value!r}; must be a whole number")
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}; must be from {low} to {high}")


def check_size(name: str, value: object) -> None:
    if value is None:
        return
    check_integer(name, value, SIZE_MULTIPLE, 2**20)
    assert isinstance(value, int)
    if value % SIZE_MULTIPLE:
        nearest = max(1, (value + SIZE_MULTIPLE // 2) // SIZE_MULTIPLE) * SIZE_MULTIPLE
        raise RequestError(
            f"{name} is {value}; must be a multiple of {SIZE_MULTIPLE} ({nearest} is the nearest)"
        )


def check_memory(width: int | None, height: int | None) -> None:
    if width is None or height is None:
        return
    need, have = width * height * BYTES_PER_PIXEL, physical_memory()
    if need > have:
        side = int((have / BYTES_PER_PIXEL) ** 0.5) // SIZE_MULTIPLE * SIZE_MULTIPLE
        raise RequestError(
            f"{width}x{height} needs at least {need / 2**30:,.0f} GiB; "
            f"this machine has {have / 2**30:,.0f} GiB (a square of {side} is the largest to try)"
        )


def check_number(name: str, value: object, low: float, high: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise RequestError(f"{name} is {value!r}; must be a finite number")
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}; must be from {low:g} to {high:g}")


def check_strength(name: str, value: Any, num_steps: int) -> None:
    check_number(name, value, 0, 1)
    if int(value * num_steps) < 1:
        least = math.ceil(1000 / num_steps) / 1000
        raise RequestError(
            f"{name} is {value}, less than one step of {num_steps}; must be at least {least:g}"
        )


def check_mask(mask: InputImage, image: InputImage) -> None:
    sizes = ["x".join(map(str, each.size)) for each in (mask, image)]
    if sizes[0] != sizes[1]:
        raise RequestError(f"mask is {sizes[0]} and the image {sizes[1]}; must be equal")
    brightest = mask.pixels.getextrema()[1]
    if isinstance(brightest, int | float) and brightest < 128:
        raise RequestError("mask has no white; paint what shall be drawn anew white, and the rest black")


def physical_memory() -> int:
    """Bytes of main memory, or 64 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 64 * 2**30
