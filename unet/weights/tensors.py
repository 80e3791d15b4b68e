"""Reads tensors of safetensors files directly into their final memory."""

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
)

Place = tuple[Path, TensorEntry]

_PIECE = 4 * 2**20  # bytes read at once, so that they are still in the cache when they are converted


class NonFiniteWeights(WeightsError):
    """Weights that contain NaN or infinity."""


def read_places(
    places: Mapping[str, Place],
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    channels_last: bool = False,
) -> dict[str, Tensor]:
    """Name -> the tensor at its location.

    A few threads read the files from beginning to end. Allocating fresh memory takes longer than filling it,
    and each thread does both. Memory never holds more than the tensors and a few megabytes.

    Args:
        dtype: dtype of floating-point tensors; None keeps that of the file.
        channels_last: whether tensors with four dimensions (filters of convolutions) are stored channels
            last.

    Raises:
        TruncatedWeights: a file ends too early.
    """
    with torch.inference_mode(False):  # weights are ordinary tensors, also if loaded in inference mode
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
    """One tensor, as stored."""
    return read_places({"": (Path(path), entry)})[""]


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

    For one file it equals the output of `sha256sum`, which model sites list. For several files it is the
    SHA-256 of their digests in the given order, so names and folders do not matter. It reads everything, in
    about 1 to 2 s per GB.

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
    """A tensor to fill, in the shape of the file."""
    shape = entry.shape[::-1] if entry.is_transposed else entry.shape
    kind = dtype if dtype and entry.dtype.is_floating_point else entry.dtype
    order = torch.channels_last if channels_last and len(shape) == 4 else torch.contiguous_format
    return torch.empty(shape, dtype=kind, device=device, memory_format=order)


def _fill(path: Path, entry: TensorEntry, target: Tensor) -> None:
    """Reads a tensor piece by piece: directly, or through a buffer if it has to be converted."""
    stays = target.dtype == entry.dtype and target.device.type == "cpu" and target.is_contiguous()
    pieces = _pieces(target, _PIECE // entry.dtype.itemsize)
    # One buffer, of the same size for all tensors: other sizes would fragment memory.
    size = max(_PIECE, pieces[0].numel() * entry.dtype.itemsize)
    buffer = torch.empty(0 if stays else size, dtype=torch.uint8)
    with open_weights(path, buffering=0) as file:
        file.seek(entry.start)
        for piece in pieces:
            num_bytes = piece.numel() * entry.dtype.itemsize
            read = piece.view(torch.uint8) if stays else buffer[:num_bytes]
            view = read.numpy().data
            while view:  # an unbuffered read may return less than requested
                count = file.readinto(view)
                if not count:
                    end = entry.start + entry.num_bytes
                    raise TruncatedWeights(path, expected=end, found=path.stat().st_size)
                view = view[count:]
            if not stays:
                piece.copy_(read.view(entry.dtype).view(piece.shape))


def _pieces(target: Tensor, size: int) -> Sequence[Tensor]:
    """Parts of `size` numbers, in the order of the file."""
    if target.is_contiguous():
        return target.reshape(-1).split(max(1, size))
    return target.split(max(1, size // target[0].numel()))
