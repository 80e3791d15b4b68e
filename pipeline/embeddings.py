"""Textual inversion: words that a file teaches a model, each standing for one or more vectors.

Source: Gal et al. 2022, arXiv:2208.01618, section 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.errors import AdapterError
from unet.weights import PickledWeights, content_hash, read_header, read_tensors

_NAMELESS = {"emb_params", "*", "string_to_param.*"}  # keys that say nothing of the word
_BY_ENCODER = ("clip_l", "clip_g")
MAX_VECTORS = 75  # as many as one chunk holds
MAX_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A word and its vectors.

    Attributes:
        word: as it is typed in prompts, upper and lower case alike.
        sha256: of the file.
        vectors: n d, for every text encoder of the model.
    """

    word: str
    path: Path
    sha256: str
    vectors: tuple[Float[Tensor, "n d"], ...]

    def record(self) -> dict[str, str]:
        """What has to be the same for the same picture, and what the file was called."""
        return {"kind": "embedding", "name": self.word, "file": self.path.name, "sha256": self.sha256}


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


class LearnedRows(nn.Module):
    """A token embedding with more rows, which have the ids -1, -2, ...

    Below all others, so that a text model which pools at the highest id still pools at the end token.
    """

    def __init__(self, base: nn.Module, rows: Float[Tensor, "n d"]) -> None:
        super().__init__()
        self.base = base
        self.rows: Tensor
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, ids: Int[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
        learned = self.rows[(-ids - 1).clamp(min=0)]
        return torch.where((ids < 0)[..., None], learned, self.base(ids.clamp(min=0)))
