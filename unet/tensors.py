"""Tensors of safetensors files, read straight into the memory that they stay in."""

import hashlib
import mmap
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unet.header import TensorEntry, TruncatedWeights, WeightsError, read_header
from unet.weight_files import find_weights

Place = tuple[Path, TensorEntry]

_ALIGNMENT = 64  # bytes, as torch's own allocator on CPUs
_PIECE = 4 * 2**20  # bytes read at once: what is converted is still in the processor's cache


class NonFiniteWeights(WeightsError):
    """Weights that contain NaN or infinity."""


def read_places(
    places: Mapping[str, Place], *, dtype: torch.dtype | None = None, device: str | torch.device = "cpu"
) -> dict[str, Tensor]:
    """The tensor at every place, by its name.

    Files are read from their beginning to their end by a few threads. There is never more in memory than the
    tensors themselves and a few megabytes.

    Args:
        dtype: of floating-point tensors; None keeps each as it is in the file.

    Raises:
        TruncatedWeights: a file ends too early.
    """
    device = torch.device(device)
    targets = _targets([entry for _, entry in places.values()], dtype, device)
    jobs = [(path, entry, target) for (path, entry), target in zip(places.values(), targets, strict=True)]
    jobs.sort(key=lambda job: (job[0], job[1].start))
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        list(threads.map(lambda job: _fill(*job), jobs))
    return {
        name: target.T.contiguous() if entry.is_transposed else target
        for (name, (_, entry)), target in zip(places.items(), targets, strict=True)
    }


def read_tensor(path: str | Path, entry: TensorEntry) -> Tensor:
    """One tensor, as it is in the file."""
    return read_places({"": (Path(path), entry)})[""]


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file by name, as stored; for adapters, which no module has a place for.

    Raises:
        WeightsError: the file cannot be used, or a tensor has NaN or infinity.
    """
    path = Path(path)
    tensors = read_places({name: (path, entry) for name, entry in read_header(path).items()})
    for name, tensor in tensors.items():
        require_finite(tensor, name, path)
    return tensors


def require_finite(tensor: Tensor, name: str, path: Path) -> None:
    """Raises NonFiniteWeights if a floating-point tensor has NaN or infinity."""
    if not tensor.is_floating_point():
        return
    wide = tensor.float() if tensor.itemsize == 1 else tensor  # 8-bit floats lack the operation
    if not wide.isfinite().all():
        raise NonFiniteWeights(
            f"{path}: {name!r} has NaN or infinity as {tensor.dtype}; needs finite weights"
        )


def content_hash(files: str | Path | Iterable[str | Path]) -> str:
    """SHA-256 of the weights, header and data, in hex.

    Of one file it is what `sha256sum` prints and what model sites list. Of several it is the SHA-256 of
    their digests in the given order, so names and folders do not matter. Reads everything, about 1 to 2 s
    per GB, and remembers nothing.

    Args:
        files: as in `load_strict`.
    """
    digests = []
    for path in paths_of(files):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def paths_of(files: str | Path | Iterable[str | Path]) -> list[Path]:
    """One file, several, or those of a folder in diffusers' layout."""
    if isinstance(files, (str, Path)):
        files = find_weights(files) if Path(files).is_dir() else (files,)
    return [Path(path) for path in files]


def _targets(entries: list[TensorEntry], dtype: torch.dtype | None, device: torch.device) -> list[Tensor]:
    """A tensor to fill for every entry, in the shape that the file holds."""
    dtypes = [dtype if dtype and entry.dtype.is_floating_point else entry.dtype for entry in entries]
    shapes = [entry.shape[::-1] if entry.is_transposed else entry.shape for entry in entries]
    if device.type != "cpu":
        return [torch.empty(s, dtype=t, device=device) for s, t in zip(shapes, dtypes, strict=True)]
    starts, end = [], 0
    for shape, kind in zip(shapes, dtypes, strict=True):
        starts.append(end)
        end += -(-torch.Size(shape).numel() * kind.itemsize // _ALIGNMENT) * _ALIGNMENT
    memory = _memory(end)
    return [
        torch.frombuffer(memory, dtype=kind, count=count, offset=start).view(shape)
        if (count := torch.Size(shape).numel())
        else torch.empty(shape, dtype=kind)
        for shape, kind, start in zip(shapes, dtypes, starts, strict=True)
    ]


def _memory(num_bytes: int) -> Any:
    """Fresh memory for all tensors together, in large pages where there are such.

    In pages of 4 kB, handing them out takes as long as reading the file does.
    """
    if not hasattr(mmap, "MADV_HUGEPAGE"):  # not Linux
        return mmap.mmap(-1, max(1, num_bytes))
    memory = mmap.mmap(-1, max(1, num_bytes), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without large pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _fill(path: Path, entry: TensorEntry, target: Tensor) -> None:
    """Reads a tensor, piece by piece; into its own memory if it stays as it is, else by way of a buffer."""
    stays = target.dtype == entry.dtype and target.device.type == "cpu"
    with path.open("rb", buffering=0) as file:
        file.seek(entry.start)
        for piece in target.reshape(-1).split(_PIECE // entry.dtype.itemsize):
            read = piece if stays else torch.empty(len(piece), dtype=entry.dtype)
            view = read.view(torch.uint8).numpy().data
            while view:  # an unbuffered read may give less than asked for
                count = file.readinto(view)
                if not count:
                    end = entry.start + entry.num_bytes
                    raise TruncatedWeights(path, expected=end, found=path.stat().st_size)
                view = view[count:]
            if not stays:
                piece.copy_(read)
