"""Reads textual inversions from files.

Source: Gal et al. 2022, arXiv:2208.01618, section 4.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from limelight.pipeline.errors import AdapterError
from limelight.pipeline.text.learned import Embedding
from limelight.unet.weights.header import PickledWeights, read_header
from limelight.unet.weights.tensors import content_hash, read_tensors

_NAMELESS = {"emb_params", "*", "string_to_param.*"}  # keys that say nothing of the word
_BY_ENCODER = ("clip_l", "clip_g")
MAX_VECTORS = 75  # as many as one chunk holds
MAX_NAME_CHARACTERS = 200


def read_embedding(path: Path, widths: Sequence[int], *, word: str | None = None) -> Embedding:
    """The textual inversion in a file, for text encoders of the given widths.

    Args:
        path: a .safetensors file as diffusers (the word is the key), A1111 (`emb_params`) or trainers for
            SDXL (`clip_l` and `clip_g`) write it.
        word: to type in prompts; the file's key if it has one, else the file's name without suffix.

    Raises:
        AdapterError: it is none, a pickle, or one for another model.
        WeightsError: the file is truncated, damaged, or not safetensors.
    """
    if not path.is_file():
        raise AdapterError(f"{path} does not exist; give the .safetensors file of a textual inversion")
    try:
        read_header(path)
    except PickledWeights:
        raise AdapterError(
            f"{path} is a pickle or zip, which could run code and is not opened; convert it where its code "
            "may run: safetensors.torch.save_file({'emb_params': "
            f"torch.load('{path.name}')['string_to_param']['*']}}, '{path.stem}.safetensors')"
        ) from None
    tensors = read_tensors(path)
    named, found = _vectors(path, tensors, widths)
    for vectors in found:
        if not 1 <= len(vectors) <= MAX_VECTORS or len(vectors) != len(found[0]):
            counts = " and ".join(str(len(one)) for one in found)
            raise AdapterError(
                f"{path} has {counts} vectors; must be 1 to {MAX_VECTORS}, as many per encoder"
            )
    word = word or named or path.stem
    if len(word) > MAX_NAME_CHARACTERS or not word.isprintable() or not word.strip():
        raise AdapterError(
            f"{path} teaches the word {word[:40]!r}; must be 1 to {MAX_NAME_CHARACTERS} printable characters"
        )
    return Embedding(word=word, path=path, sha256=content_hash(path), vectors=found)


def _vectors(
    path: Path, tensors: dict[str, Tensor], widths: Sequence[int]
) -> tuple[str | None, tuple[Tensor, ...]]:
    """The word that the file names, if it names one, and n d for each encoder."""
    if tensors.keys() == set(_BY_ENCODER):
        name, found = None, [tensors[key] for key in _BY_ENCODER]
    elif len(tensors) == 1:
        (key,) = tensors
        name, found = None if key in {*_NAMELESS, *_BY_ENCODER} else key, [tensors[key]]
    else:
        first = "\n".join(f"    {key}" for key in list(tensors)[:5])
        raise AdapterError(
            f"{path} is no textual inversion that can be read: it has {len(tensors)} tensors; needs one, or "
            f"clip_l and clip_g. The first {min(5, len(tensors))}:\n{first}"
        )
    found = [one[None] if one.ndim == 1 else one for one in found]
    if [one.shape[-1] for one in found] != list(widths) or any(one.ndim != 2 for one in found):
        has = " and ".join("x".join(map(str, one.shape)) for one in found)
        raise AdapterError(
            f"{path} is a textual inversion for another model: it has vectors of {has}; "
            f"this one needs a width of {' and '.join(map(str, widths))}"
        )
    return name, tuple(found)
