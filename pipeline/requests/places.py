"""Parts of a picture, in fractions of its size: boxes and masks."""

import base64
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.input_image import InputImage

MASK_SIDE = 64  # no attention grid is finer, and a mask of this size fits into a picture's record

Box = tuple[float, float, float, float]
Source = InputImage | Image.Image | str | os.PathLike[str]
P = TypeVar("P", bound="Placed")  # typing.Self is not checked method by method


class PlaceWarning(UserWarning):
    """A place is used otherwise than it was given; the message says how."""


@dataclass(frozen=True, slots=True)
class Mask:
    """How much of each part of a picture belongs to a place.

    Attributes:
        levels: 0 to 255, row by row.
    """

    width: int
    height: int
    levels: bytes

    @classmethod
    def read(cls, name: str, source: Any) -> "Mask":
        """A mask from an image or a file, white where the place is, reduced to `MASK_SIDE`; or one as it was
        stored.

        Raises:
            RequestError: the source is no mask, has no white, or is white all over.
        """
        if isinstance(source, cls):
            return source
        if isinstance(source, Mapping):
            return cls._stored(name, source)
        image = InputImage.read(name, source, "L").pixels
        shrink = min(1.0, MASK_SIDE / max(image.size))
        width, height = (max(1, round(side * shrink)) for side in image.size)
        levels = image.resize((width, height), Image.Resampling.BOX).tobytes()
        if max(levels) == 0:
            raise RequestError(f"{name} has no white; paint white where it shall be")
        if min(levels) == 255:
            raise RequestError(f"{name} is white all over, so it names no place; paint the rest black")
        return cls(width, height, levels)

    @classmethod
    def _stored(cls, name: str, value: Mapping[str, Any]) -> "Mask":
        wrong = RequestError(f"{name} is stored without width, height and levels; give the file again")
        if set(value) != {"width", "height", "levels"}:
            raise wrong
        width, height = value["width"], value["height"]
        if not all(type(side) is int and 0 < side <= MASK_SIDE for side in (width, height)):
            raise wrong
        try:
            levels = base64.b64decode(value["levels"], validate=True)
        except (TypeError, ValueError):
            raise wrong from None
        if len(levels) != width * height:
            raise wrong
        return cls(width, height, levels)

    def to_dict(self) -> dict[str, Any]:
        levels = base64.b64encode(self.levels).decode()
        return {"width": self.width, "height": self.height, "levels": levels}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Something that has a place in the picture: a box or a mask.

    Args:
        box: left, top, right, bottom, as fractions of the picture.
        mask: white where the place is; it is stretched over the picture.

    Raises:
        RequestError: there is no place, or it is empty, or the whole picture.
    """

    box: Box | None = None
    mask: Mask | Source | None = None

    @property
    def name(self) -> str:
        """Its name in messages."""
        raise NotImplementedError

    def check_prompt(self, prompt: str) -> None:
        """Raises RequestError unless the prompt has the words that are named."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        if (self.box is None) == (self.mask is None):
            given = "both" if self.box is not None else "none"
            raise RequestError(f"{self.name} needs a box or a mask, one of the two; {given} is given")
        if self.box is not None:
            object.__setattr__(self, "box", _checked(self.name, self.box))
        elif isinstance(self.mask, str | os.PathLike):
            object.__setattr__(self, "mask", Path(self.mask))
        else:
            object.__setattr__(self, "mask", Mask.read(f"the mask of {self.name}", self.mask))

    def opened(self: P) -> P:
        """A copy with its mask read from the file.

        Raises:
            RequestError: the file is no mask.
        """
        if not isinstance(self.mask, Path):
            return self
        return replace(self, mask=Mask.read(f"the mask of {self.name}", self.mask))

    def within(self: P, folder: Path) -> P:
        """A copy whose file is looked for in `folder`, unless its path is absolute."""
        return replace(self, mask=folder / self.mask) if isinstance(self.mask, Path) else self


def _checked(name: str, box: Any) -> Box:
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(_is_number, box)):
        raise RequestError(
            f"the box of {name} is {box!r}; must be left, top, right, bottom, as fractions of the picture"
        )
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise RequestError(
            f"the box of {name} is {tuple(box)}: left, top, right, bottom as fractions of the picture; must "
            "be 0 <= left < right <= 1 and 0 <= top < bottom <= 1"
        )
    if (left, top, right, bottom) == (0, 0, 1, 1):
        raise RequestError(f"the box of {name} is the whole picture, so it names no place; make it smaller")
    return left, top, right, bottom


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def place_of(text: str) -> dict[str, Any]:
    """The box or the mask that a text names: four numbers, or a file."""
    numbers = text.split(",")
    try:
        return {"box": tuple(map(float, numbers))} if len(numbers) > 1 else {"mask": Path(text.strip())}
    except ValueError:
        return {"mask": Path(text.strip())}
