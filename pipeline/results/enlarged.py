"""Enlarges small pictures for viewing."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from limelight.files import open_regular
from limelight.pipeline.results.png import NoRecord, read_record

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.results.result import Result

SMALL, WANTED = 256, 512  # of the longer side, in pixels


def viewing_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a picture is saved. If its longer side is below `SMALL`, it becomes `WANTED`;
    otherwise the picture keeps its size."""
    longer = max(size)
    if longer >= SMALL:
        return size
    width, height = (round(side * WANTED / longer) for side in size)
    return width, height


def enlarge_to_view(result: "Result") -> "Result":
    """The result with its picture at `viewing_size`, resampled by Lanczos. The record's `enlarged` contains
    both sizes. A picture that is large enough does not change."""
    size = viewing_size(result.image.size)
    if size == result.image.size:
        return result
    about = {"from": list(result.image.size), "to": list(size), "by": "Lanczos"}
    return replace(
        result,
        image=result.image.resize(size, Image.Resampling.LANCZOS),
        info=dict(result.info) | {"enlarged": about},
    )


def drawn_image(path: Path) -> Image.Image | None:
    """The picture in a file at the size at which it was drawn; None if it was not enlarged."""
    try:
        size = _drawn_size(read_record(path))
    except NoRecord:
        return None
    if size is None:
        return None
    with open_regular(path) as file, Image.open(file) as image:
        return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _drawn_size(record: dict[str, Any]) -> tuple[int, int] | None:
    match record.get("enlarged"):
        case {"from": [int(width), int(height)]} if 0 < width <= SMALL and 0 < height <= SMALL:
            return width, height
    return None
