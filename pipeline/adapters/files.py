"""The files of LoRAs and textual inversions, as the command line and a picture's record name them."""

import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from limelight.files import UnreadableFile, open_regular
from limelight.pipeline.errors import AdapterError

Kind = Literal["lora", "embedding"]
MAX_WEIGHT = 10.0
_FILES_IN_FOLDER = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
_OPTIONS = {"lora": "--lora", "embedding": "--embedding"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFile:
    """The file of a LoRA or of an embedding.

    Attributes:
        weight: the weight of a LoRA; an embedding has none.
        name: the name of a LoRA, or the word of an embedding; None takes the file's own.
    """

    kind: Kind
    path: Path
    weight: float = 1.0
    name: str | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight)


def check_weight(weight: float) -> None:
    """Raises AdapterError unless `weight` is in the range for LoRAs."""
    if not math.isfinite(weight) or abs(weight) > MAX_WEIGHT:
        raise AdapterError(
            f"the weight of a LoRA is {weight}; must be from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}"
        )


def lora_file(path: Path) -> Path:
    """The LoRA file at `path`, which may be a folder with one file.

    Raises:
        AdapterError: there is no such file.
    """
    if is_file(path):
        return path
    if not path.is_dir():
        raise AdapterError(f"{path} does not exist; give a .safetensors file, or a folder with one")
    named = [path / name for name in _FILES_IN_FOLDER if (path / name).is_file()]
    files = named or sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files[:5]) or "none"
        raise AdapterError(f"{path} has {len(files)} .safetensors files ({names}); name one of them")
    return files[0]


def parse_lora(text: str) -> AdapterFile:
    """Parses `FILE` or `FILE:WEIGHT`, where FILE may be a folder with one file.

    Raises:
        AdapterError: there is no such file, or the weight is out of range.
    """
    head, _, tail = text.rpartition(":")
    weight = None if is_file(Path(text)) or os.path.isdir(text) else _number(tail)
    path = text if weight is None else head  # a colon may be part of the name
    return AdapterFile(kind="lora", path=lora_file(Path(path)), weight=1.0 if weight is None else weight)


def parse_embedding(text: str) -> AdapterFile:
    """Parses `FILE`, which must exist.

    Raises:
        AdapterError: there is no such file.
    """
    path = Path(text)
    if not is_file(path):
        raise AdapterError(f"{path} does not exist; give the .safetensors file of a textual inversion")
    return AdapterFile(kind="embedding", path=path)


def is_file(path: Path) -> bool:
    """Whether `path` is a regular file.

    Raises:
        AdapterError: the name is invalid, or belongs to something other than a file.
    """
    try:
        open_regular(path).close()
    except FileNotFoundError:
        return False
    except UnreadableFile as error:
        if os.path.isdir(path):
            return False
        raise AdapterError(f"{error}; give a .safetensors file") from None
    return True


def _number(text: object) -> float | None:
    try:
        return float(text) if isinstance(text, str | int | float) else None
    except ValueError:
        return None


def recorded_files(recorded: object, given: Iterable[AdapterFile]) -> tuple[AdapterFile, ...]:
    """The files that a picture was drawn with, in the order of its record; they are matched by content.

    Args:
        recorded: `adapters` in the picture's record, not yet checked.
        given: the user's files, in any order and under any names; weights and names come from the record.

    Raises:
        AdapterError: a file is missing, has other content, or was not used for the picture.
    """
    if not isinstance(recorded, list) or not all(isinstance(one, dict) for one in recorded):
        raise AdapterError("the adapters in the record are not a list of objects; it cannot be drawn again")
    by_hash: dict[tuple[str, str], AdapterFile] = {(file.kind, _sha256(file.path)): file for file in given}
    found = tuple(_recorded(one, by_hash) for one in recorded)
    used = {file.path for file in found}
    for (kind, sha256), file in by_hash.items():
        if file.path not in used:
            raise AdapterError(
                f"{file.path} (sha256 {sha256[:12]}) is no {kind} of this picture; leave it out"
            )
    return found


def _recorded(one: Mapping[str, Any], by_hash: Mapping[tuple[str, str], AdapterFile]) -> AdapterFile:
    kind, name, sha256 = (str(one.get(key)) for key in ("kind", "name", "sha256"))
    weight = _number(one.get("weight", 1.0))
    if kind not in _OPTIONS or weight is None:
        raise AdapterError(
            f"the record names a {kind!r} of weight {one.get('weight')!r}, which cannot be drawn with"
        )
    file = by_hash.get((kind, sha256))
    if file is None:
        raise AdapterError(
            f"drawn with the {kind} {name!r}: {one.get('file')}, sha256 {sha256[:12]}; "
            f"say where that file is with {_OPTIONS[kind]}"
        )
    return AdapterFile(kind=file.kind, path=file.path, weight=weight, name=name)


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
