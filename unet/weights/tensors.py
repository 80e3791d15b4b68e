"""Tensors of safetensors files, read straight into the memory that they stay in."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from limelight.unet.weights.find import find_weights
from limelight.unet.weights.header import (
    TensorEntry,
    TruncatedWeights,
    WeightsError,
    open_weights,
    read_header,
)

Place = tuple[Path, TensorEntry]

_PIECE = 4 * 2**20  # bytes read at once: what is converted is still in the processor's cache


class NonFiniteWeights(WeightsError):
    """Weights that contain NaN or infinity."""


def read_places(
    places: Mapping[str, Place],
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    channels_last: bool = False,
) -> dict[str, Tensor]:
    """The tensor at every place, by its name.

    Files are read from their beginning to their end, by a few threads: to hand out fresh memory takes
    longer than to fill it, and each does both. There is never more in memory than the tensors and a few
    megabytes.

    Args:
        dtype: of floating-point tensors; None keeps each as it is in the file.
        channels_last: how those of four dimensions, filters of convolutions, lie in memory.

    Raises:
        TruncatedWeights: a file ends too early.
    """
    with torch.inference_mode(False):  # weights are ordinary tensors wherever they are loaded
        targets = {name: _target(entry, dtype, device, channels_last) for name, (_, entry) in places.items()}
    jobs = [(*place, targets[name]) for name, place in places.items()]
    jobs.sort(key=lambda job: (job[0], job[1].start))
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        list(threads.map(lambda job: _fill(*job), jobs))
    return {
        name: target.T.contiguous() if places[name][1].is_transposed else target
        for name, target in targets.items()
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
        with open_weights(path) as file:
            digests.append(hashlib.file_digest(file, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def paths_of(files: str | Path | Iterable[str | Path]) -> list[Path]:
    """One file, several, or those of a folder in diffusers' layout."""
    if isinstance(files, (str, Path)):
        files = find_weights(files) if Path(files).is_dir() else (files,)
    return [Path(path) for path in files]


def _target(
    entry: TensorEntry, dtype: torch.dtype | None, device: str | torch.device, channels_last: bool
) -> Tensor:
    """A tensor to fill, in the shape that the file holds."""
    shape = entry.shape[::-1] if entry.is_transposed else entry.shape
    kind = dtype if dtype and entry.dtype.is_floating_point else entry.dtype
    order = torch.channels_last if channels_last and len(shape) == 4 else torch.contiguous_format
    return torch.empty(shape, dtype=kind, device=device, memory_format=order)


def _fill(path: Path, entry: TensorEntry, target: Tensor) -> None:
    """Reads a tensor, piece by piece; into its own memory if it stays as it is, else by way of a buffer."""
    stays = target.dtype == entry.dtype and target.device.type == "cpu" and target.is_contiguous()
    pieces = _pieces(target, _PIECE // entry.dtype.itemsize)
    # One buffer, and of one size for all tensors: others would leave holes in memory.
    size = max(_PIECE, pieces[0].numel() * entry.dtype.itemsize)
    buffer = torch.empty(0 if stays else size, dtype=torch.uint8)
    with open_weights(path, buffering=0) as file:
        file.seek(entry.start)
        for piece in pieces:
            num_bytes = piece.numel() * entry.dtype.itemsize
            read = piece.view(torch.uint8) if stays else buffer[:num_bytes]
            view = read.numpy().data
            while view:  # an unbuffered read may give less than asked for
                count = file.readinto(view)
                if not count:
                    end = entry.start + entry.num_bytes
                    raise TruncatedWeights(path, expected=end, found=path.stat().st_size)
                view = view[count:]
            if not stays:
                piece.copy_(read.view(entry.dtype).view(piece.shape))


def _pieces(target: Tensor, size: int) -> Sequence[Tensor]:
    """Parts of so many numbers, in the order of the file."""
    if target.is_contiguous():
        return target.reshape(-1).split(max(1, size))
    return target.split(max(1, size // target[0].numel()))
