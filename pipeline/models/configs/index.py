"""Reads a model's `model_index.json`: its parts and their classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.configs.schema import brief, read_object

_TEXT_MODELS = ("CLIPTextModel", "CLIPTextModelWithProjection")
_EXPECTED = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": _TEXT_MODELS,
    "text_encoder_2": _TEXT_MODELS,
}


@dataclass(frozen=True, slots=True)
class Index:
    """The parts of a model.

    Attributes:
        text_parts: `text_encoder` and `text_encoder_2`, if present.
        zero_empty_negative: whether an empty negative prompt is encoded as zeros.
    """

    text_parts: tuple[str, ...]
    zero_empty_negative: bool


def read_index(folder: Path, *, has_vae: bool = True) -> Index:
    """The index of the model in `folder`; every part must have its own folder.

    Args:
        has_vae: False if the VAE is elsewhere.

    Raises:
        ModelError: a part is missing or of a class that is not supported.
    """
    path = folder / "model_index.json"
    content = read_object(path)
    named = {part: _class(path, content, part) for part in _EXPECTED}
    text_parts = tuple(part for part in ("text_encoder", "text_encoder_2") if named[part] is not None)
    if not text_parts:
        raise ModelError(f"{path} names no text_encoder; a text-to-image model has one")
    parts = ("unet", *(("vae",) if has_vae else ()), *text_parts)
    for part in parts:
        if named[part] not in _EXPECTED[part]:
            supported = ", ".join(_EXPECTED[part])
            raise ModelError(f"{folder}: {part} is a {str(named[part])[:80]}; supported: {supported}")
    for part in (*parts, "scheduler", *map(tokenizer_of, text_parts)):
        if not (folder / part).is_dir():
            raise ModelError(f"{folder} has no folder {part!r}; model_index.json names it")
    zero = content.get("force_zeros_for_empty_prompt", False)
    if zero not in (True, False, None):
        raise ModelError(f"{path}: force_zeros_for_empty_prompt is {brief(zero)}; must be true or false")
    return Index(text_parts, bool(zero))


def tokenizer_of(text_part: str) -> str:
    return text_part.replace("text_encoder", "tokenizer")


def _class(path: Path, content: Mapping[str, Any], part: str) -> str | None:
    """The class of a part; None if the model does not have it."""
    entry = content.get(part, [None, None])
    if entry is None:
        return None
    is_right = isinstance(entry, list) and len(entry) == 2 and all(isinstance(e, str | None) for e in entry)
    if not is_right:
        raise ModelError(f"{path}: {part} is {brief(entry)}; must be the names of a library and a class")
    cls = entry[1]
    return cls
