"""The header of a safetensors file, checked in full before a single weight is read.

Source: the safetensors format, https://github.com/huggingface/safetensors#format: eight bytes with the
header's length, the header as JSON, then the tensors' bytes without gaps.
"""

import io
import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from limelight.errors import UsageError
from limelight.files import UnreadableFile, open_regular

# Limits, so that a hostile header costs little time and memory. The largest Stable Diffusion checkpoints have
# 2,500 tensors and 0.3 MB of header.
MAX_HEADER_BYTES = 8 * 1024 * 1024
MAX_TENSORS = 50_000
MAX_DIMENSIONS = 16

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}

_PICKLE_STARTS = (b"PK\x03\x04", *(bytes([0x80, protocol]) for protocol in range(2, 6)))
_OTHER_KINDS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((b"\xff\xd8\xff",), "a JPEG picture"),
    ((b"\x89PNG\r\n\x1a\n",), "a PNG picture"),
    ((b"GIF8",), "a GIF picture"),
    ((b"RIFF",), "a WebP picture or a sound"),
    ((b"%PDF",), "a PDF document"),
    (
        (b"<!DOCTYP", b"<!doctyp", b"<html", b"<HTML"),
        "a web page (a download that asked for a login, perhaps)",
    ),
    ((b"GGUF",), "a GGUF file, whose weights are quantised"),
    ((b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!"), "an archive"),
)
CONVERT = (
    "convert it on a machine that may run its code: load it with the library that made it and save it with "
    "save_pretrained(..., safe_serialization=True)"
)


class WeightsError(UsageError):
    """Weights that cannot be used; nothing was loaded."""


class TruncatedWeights(WeightsError):
    """A weight file that ends too early."""

    def __init__(self, path: Path, *, expected: int, found: int) -> None:
        super().__init__(
            f"{path} is {found:,} bytes; needs {expected:,}. It is cut off: copy or download it again"
        )
        self.path, self.expected, self.found = path, expected, found


class DamagedWeights(WeightsError):
    """A weight file whose header contradicts itself or its format."""


class OtherFile(DamagedWeights):
    """A file of another type, such as a picture."""


class PickledWeights(WeightsError):
    """Weights as a pickle, which could run code when read and is therefore never opened."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """The location of one tensor in its file, and the shape in which it is read.

    Args:
        shape: the shape after reading.
        start: offset of its first byte in the file.
        num_bytes: its length.
        is_transposed: whether the file holds its transpose.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    num_bytes: int
    is_transposed: bool = False

    @property
    def transpose(self) -> "TensorEntry":
        return replace(self, shape=self.shape[::-1], is_transposed=not self.is_transposed)

    def part(self, index: int, count: int) -> "TensorEntry":
        """One of `count` equal parts along the first dimension.

        Raises:
            DamagedWeights: the dimension cannot be divided so.
        """
        if not self.shape or self.shape[0] % count:
            raise DamagedWeights(f"a tensor of shape {list(self.shape)} cannot be {count} stacked ones")
        num_bytes = self.num_bytes // count
        shape = (self.shape[0] // count, *self.shape[1:])
        return TensorEntry(self.dtype, shape, self.start + index * num_bytes, num_bytes)

    def without_trailing_ones(self) -> "TensorEntry":
        """The weight of a 1x1 convolution as that of an equal linear layer."""
        shape = self.shape
        while len(shape) > 2 and shape[-1] == 1:
            shape = shape[:-1]
        return replace(self, shape=shape)


def read_header(path: str | Path) -> dict[str, TensorEntry]:
    """Every tensor of a safetensors file by name, in file order.

    Raises:
        TruncatedWeights: the file ends too early.
        DamagedWeights: the header is no safetensors header, or the file is no regular file.
        PickledWeights: the file is a pickle or zip under another name.
    """
    return read_header_and_notes(path)[0]


def read_header_and_notes(path: str | Path) -> tuple[dict[str, TensorEntry], dict[str, str]]:
    """The header as from `read_header`, and the notes of the file's author (`__metadata__`)."""
    path = Path(path)
    with open_weights(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(9)
        if start[8:] != b"{":
            _refuse_known_foreigners(start, path)
        if size < 8:
            raise TruncatedWeights(path, expected=8, found=size)
        length = int.from_bytes(start[:8], "little")
        if length > MAX_HEADER_BYTES:
            raise DamagedWeights(
                f"{path} announces a header of {length:,} bytes; at most {MAX_HEADER_BYTES:,}"
            )
        if 8 + length > size:
            raise TruncatedWeights(path, expected=8 + length, found=size)
        file.seek(8)
        header = _parse(file.read(length), path)
    notes = header.pop("__metadata__", None)
    notes = notes if isinstance(notes, dict) else {}
    notes = {key: value for key, value in notes.items() if isinstance(value, str)}
    return _entries(header, 8 + length, size, path), notes


def open_weights(path: Path, *, buffering: int = -1) -> io.BufferedReader | io.FileIO:
    """A weight file, open for reading.

    Raises:
        DamagedWeights: it is a FIFO, a device or similar, or may not be read.
    """
    try:
        return open_regular(path, buffering=buffering)
    except UnreadableFile as error:
        raise DamagedWeights(str(error)) from None


def _refuse_known_foreigners(start: bytes, path: Path) -> None:
    if start.startswith(_PICKLE_STARTS):
        raise PickledWeights(f"{path} is a pickle or zip, not safetensors, and is not opened; {CONVERT}")
    for magics, kind in _OTHER_KINDS:
        if start.startswith(magics):
            raise OtherFile(f"{path} is {kind}, and no weights; give a .safetensors file")
    if start.startswith(b"version "):
        raise DamagedWeights(f"{path} is a Git LFS pointer, not the weights; fetch them with: git lfs pull")


def _parse(raw: bytes, path: Path) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("a name appears twice")
        return made

    brackets = raw.count(b"{") + raw.count(b"[")  # each tensor has one of the first, two of the second
    if brackets > 3 * MAX_TENSORS:
        raise DamagedWeights(f"{path} has a header with {brackets:,} brackets; at most {3 * MAX_TENSORS:,}")
    keys = raw.count(b'":')  # four for each tensor, and the author's notes
    if keys > 5 * MAX_TENSORS:
        raise DamagedWeights(f"{path} has a header with {keys:,} keys; at most {5 * MAX_TENSORS:,}")
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise DamagedWeights(f"{path} has a header that is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise DamagedWeights(f"{path} has a header of type {type(header).__name__}; needs an object")
    return header


def _entries(header: dict[str, Any], data_start: int, size: int, path: Path) -> dict[str, TensorEntry]:
    found = {name: _entry(name, fields, data_start, path) for name, fields in header.items()}
    entries = dict(sorted(found.items(), key=lambda item: (item[1].start, item[1].num_bytes)))
    end = data_start
    for name, entry in entries.items():
        if entry.start != end:
            relation = "overlap the tensor before it" if entry.start < end else "leave a gap before it"
            raise DamagedWeights(
                f"{path}: the bytes of {name!r} begin at {entry.start - data_start:,} and {relation}, "
                f"which ends at {end - data_start:,}"
            )
        end += entry.num_bytes
    if end > size:
        raise TruncatedWeights(path, expected=end, found=size)
    if end < size:
        raise DamagedWeights(f"{path} is {size:,} bytes; its header accounts for {end:,}")
    return entries


def _entry(name: str, fields: Any, data_start: int, path: Path) -> TensorEntry:
    def refuse(reason: str) -> DamagedWeights:
        return DamagedWeights(f"{path}: the header of {name!r} {reason}")

    if not isinstance(fields, dict) or fields.keys() != {"dtype", "shape", "data_offsets"}:
        raise refuse("must have dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise refuse(f"has dtype {dtype!r}; supported: {', '.join(DTYPES)}")
    if not _are_counts(shape) or len(shape) > MAX_DIMENSIONS:
        raise refuse(f"has shape {shape!r}; needs at most {MAX_DIMENSIONS} whole numbers from 0 up")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise refuse(f"has data_offsets {offsets!r}; needs two whole numbers from 0 up")
    num_bytes = math.prod(shape) * DTYPES[dtype].itemsize
    if offsets[1] - offsets[0] != num_bytes:
        raise refuse(
            f"has data_offsets {offsets}, which is {offsets[1] - offsets[0]:,} bytes; "
            f"shape {shape} of {dtype} needs {num_bytes:,}"
        )
    return TensorEntry(DTYPES[dtype], tuple(shape), data_start + offsets[0], num_bytes)


def _are_counts(values: Any) -> bool:
    """Whether `values` is a list of whole numbers that fit into 64 bits."""
    return isinstance(values, list) and all(type(one) is int and 0 <= one < 2**63 for one in values)
