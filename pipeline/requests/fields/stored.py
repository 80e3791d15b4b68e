"""Fields of a request as its record has them."""

from collections.abc import Mapping
from typing import Any

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.values import Source


def recalled(values: Mapping[str, Any], files: Mapping[str, Source | None]) -> dict[str, Any]:
    """The arguments of a request from stored fields.

    Args:
        files: the images and latents that it was made with, whose size and content hash alone are stored.

    Raises:
        RequestError: a field is unknown or missing, or an image is not the same.
    """
    if unknown := sorted(set(values) - set(FIELDS)):
        raise RequestError(f"unknown fields {unknown}; known: {', '.join(sorted(FIELDS))}")
    if "prompt" not in values:
        raise RequestError("the field prompt is missing")
    found = dict(values)
    for name, entry in FIELDS.items():
        if entry.value.is_stored:
            continue
        if values.get(name) is not None:
            found[name] = entry.value.recall(name, values[name], files.get(name))
        elif files.get(name) is not None:
            raise RequestError(f"{name} is given and the picture was made without one; leave it out")
    return found
