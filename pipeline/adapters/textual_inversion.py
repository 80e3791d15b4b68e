"""Reads textual inversions from files.

Source: Gal et al. 2022, arXiv:2208.01618, section 4.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from limelight.pipeline.adapters.files import is_file
from limelight.pipeline.errors import AdapterError
from limelight.pipeline.text.learned import Embedding
from limelight.unet.weights.header import PickledWeights, TensorEntry, read_header
from limelight.unet.weights.tensors import content_hash, read_places, require_finite

_NAMELESS = {"emb_params", "*", "string_to_param.*"}  # keys that do not name the word
_BY_ENCODER = (("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1"))  # the latter from pivotal tuning
_OF_TRAINING = {"step", "global_step", "epoch", "sd_checkpoint", "sd_checkpoint_name", "name"}
MAX_VECTORS = 75  # as many as one chunk holds
MAX_NAME_CHARACTERS = 200


def read_embedding(path: Path, widths: Sequence[int], *, word: str | None = None) -> Embedding:
    """Reads the textual inversion in a file, for text encoders of the given widths.

    Args:
        path: a .safetensors file as diffusers (the word is the key), A1111 (`emb_params`) or trainers for
            SDXL (`clip_l` and `clip_g`, or `text_encoders_0` and `text_encoders_1`) write it. Notes about the
            training are ignored.
        word: the word to type in prompts; by default the file's key, or else the file's name without suffix.

    Raises:
        AdapterError: it is no textual inversion, a pickle, or for another model.
        WeightsError: the file is truncated, damaged, or not safetensors.
    """
    if not is_file(path):
        raise AdapterError(f"{path} does not exist; give the .safetensors file of a textual inversion")
    try:
        entries = read_header(path)
    except PickledWeights:
        raise AdapterError(
            f"{path} is a pickle or zip, which could run code and is not opened; convert it where its code "
            "may run: safetensors.torch.save_file({'emb_params': "
            f"torch.load('{path.name}')['string_to_param']['*']}}, '{path.stem}.safetensors')"
        ) from None
    named, keys = _keys(path, entries, widths)
    shapes = [_matrix(entries[key].shape) for key in keys]
    for count, _ in shapes:
        if not 1 <= count <= MAX_VECTORS or count != shapes[0][0]:
            counts = " and ".join(str(count) for count, _ in shapes)
            raise AdapterError(
                f"{path} has {counts} vectors; must be 1 to {MAX_VECTORS}, as many per encoder"
            )
    word = word or named or path.stem
    if len(word) > MAX_NAME_CHARACTERS or not word.isprintable() or not word.strip():
        raise AdapterError(
            f"{path} teaches the word {word[:40]!r}; must be 1 to {MAX_NAME_CHARACTERS} printable characters"
        )
    tensors = read_places({key: (path, entries[key]) for key in keys})
    for key, tensor in tensors.items():
        require_finite(tensor, key, path)
    vectors = tuple(tensors[key].reshape(shape) for key, shape in zip(keys, shapes, strict=True))
    return Embedding(word=word, path=path, sha256=content_hash(path), vectors=vectors)


def _keys(
    path: Path, entries: Mapping[str, TensorEntry], widths: Sequence[int]
) -> tuple[str | None, list[str]]:
    """The word that the file names, if any, and the key of the tensor for each encoder."""
    held = [key for key in entries if key not in _OF_TRAINING and math.prod(entries[key].shape) != 1]
    by_encoder = next((names for names in _BY_ENCODER if set(held) == set(names)), None)
    nameless = {*_NAMELESS, *(name for names in _BY_ENCODER for name in names)}
    if by_encoder is not None:
        name, keys = None, list(by_encoder)
    elif len(held) == 1:
        name, keys = None if held[0] in nameless else held[0], held
    else:
        first = "\n".join(f"    {key[:300]}" for key in list(entries)[:5])
        raise AdapterError(
            f"{path} is no textual inversion that can be read: it has {len(entries)} tensors; needs one, or "
            f"clip_l and clip_g. The first {min(5, len(entries))}:\n{first}"
        )
    shapes = [entries[key].shape for key in keys]
    if [shape[-1] for shape in shapes] != list(widths) or any(len(shape) > 2 for shape in shapes):
        has = " and ".join("x".join(map(str, shape if len(shape) > 1 else (1, *shape))) for shape in shapes)
        raise AdapterError(
            f"{path} is a textual inversion for another model: it has vectors of {has}; "
            f"this one needs a width of {' and '.join(map(str, widths))}"
        )
    return name, keys


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """The number of vectors and their width."""
    return (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])
