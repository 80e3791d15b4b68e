"""From a picture to the pixels that a model of transformers was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limelight.files import UnreadableFile, read_json
from limelight.pipeline.errors import ModelError

MAX_SIDE = 1024  # pixels; attention of a vision tower grows with the fourth power of the side
_FILES = ("preprocessor_config.json", "processor_config.json")
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of CLIP


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How pixels are prepared: resized without regard to the picture's shape, scaled, and normalized.

    Attributes:
        size: height and width in pixels.
        scale: of a byte.
        mean, std: of each channel, after scaling.
    """

    size: tuple[int, int]
    resample: Image.Resampling = Image.Resampling.BICUBIC
    scale: float = 1 / 255
    mean: tuple[float, ...] = _MEAN
    std: tuple[float, ...] = _STD

    @classmethod
    def read(cls, folder: Path, side: int) -> "Preprocessing":
        """As a folder's configuration has it, which transformers keeps in one of two files.

        Args:
            side: of a square picture in pixels, where the folder does not say.

        Raises:
            ModelError: the configuration has values that cannot be.
        """
        options = _options(folder)
        try:
            size = options.get("size", side)
            height, width = (size["height"], size["width"]) if isinstance(size, Mapping) else (size, size)
            found = cls(
                size=(int(height), int(width)),
                resample=Image.Resampling(options.get("resample", Image.Resampling.BICUBIC)),
                scale=float(options.get("rescale_factor", 1 / 255)) if _does(options, "rescale") else 1.0,
                mean=_channels(options.get("image_mean", _MEAN))
                if _does(options, "normalize")
                else (0.0,) * 3,
                std=_channels(options.get("image_std", _STD)) if _does(options, "normalize") else (1.0,) * 3,
            )
        except KeyError as error:
            raise ModelError(
                f"{folder}: size of the pictures lacks {error}; must have height and width"
            ) from None
        except (TypeError, ValueError) as error:
            raise ModelError(f"{folder}: the pictures' preprocessing cannot be read: {error}") from None
        if not all(1 <= each <= MAX_SIDE for each in found.size):
            raise ModelError(
                f"{folder}: pictures are read at {found.size[1]}x{found.size[0]} pixels; "
                f"at most {MAX_SIDE} each way"
            )
        if not all(found.std):
            raise ModelError(f"{folder}: image_std is {found.std}; no channel may be divided by 0")
        return found

    def __call__(self, image: Image.Image) -> Float[Tensor, "1 3 h w"]:
        """The pixels of an RGB image."""
        height, width = self.size
        pixels = np.asarray(image.resize((width, height), self.resample), dtype=np.float32)
        scaled = torch.from_numpy(pixels * np.float32(self.scale))
        normal = (scaled - torch.tensor(self.mean)) / torch.tensor(self.std)
        return normal.permute(2, 0, 1)[None].contiguous()


def _options(folder: Path) -> Mapping[str, Any]:
    for name in _FILES:
        try:
            options = read_json(folder / name)
        except FileNotFoundError:
            continue
        except UnreadableFile as error:
            raise ModelError(str(error)) from None
        options = options.get("image_processor", options) if isinstance(options, Mapping) else None
        if not isinstance(options, Mapping):
            raise ModelError(f"{folder / name} holds no configuration; must be a JSON object")
        return options
    return {}


def _does(options: Mapping[str, Any], what: str) -> bool:
    return bool(options.get(f"do_{what}", True))


def _channels(values: Any) -> tuple[float, ...]:
    channels = tuple(float(value) for value in values)
    if len(channels) != 3:
        raise ValueError(f"{list(values)} has {len(channels)} numbers; must have 3, one for each channel")
    return channels
