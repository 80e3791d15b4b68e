"""Loads weights strictly: all of them into a module that has a place for each, or none."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from io import FileIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unet.header import (
    DamagedWeights,
    PickledWeights,
    TensorEntry,
    TruncatedWeights,
    WeightsError,
    read_header,
    read_header_and_notes,
)
from unet.weight_files import WeightsNotFound, find_weights

__all__ = [
    "DamagedWeights",
    "NonFiniteWeights",
    "PickledWeights",
    "Place",
    "TensorEntry",
    "TruncatedWeights",
    "WeightsError",
    "WeightsMismatch",
    "WeightsNotFound",
    "check_places",
    "content_hash",
    "find_weights",
    "load_places",
    "load_strict",
    "parameters_on_meta",
    "read_header",
    "read_header_and_notes",
    "read_tensor",
    "read_tensors",
]


Place = tuple[Path, TensorEntry]


class WeightsMismatch(WeightsError):
    """Weights of another model: names or shapes differ from what the module has."""


class NonFiniteWeights(WeightsError):
    """Weights that contain NaN or infinity."""


class _ParametersOnMeta(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.empty, torch.randn, torch.rand):
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def parameters_on_meta() -> AbstractContextManager[Any]:
    """Within it, new parameters take no memory and no time; buffers are real.

    `torch.device("meta")` would lose buffers that no weight file holds, such as the position numbers of a
    CLIP text encoder. Parameters are allocated by `torch.empty`, `randn` or `rand`, buffers by `arange`,
    `zeros` or `tensor`: that is how they are told apart. Concerns this thread only.
    """
    return _ParametersOnMeta()


def load_strict(
    module: nn.Module,
    files: str | Path | Iterable[str | Path],
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    rename: Callable[[str], str | None] | None = None,
    check_finite: bool = False,
) -> None:
    """Gives `module` the weights of `files`; every weight must have its place and every place its weight.

    Headers are checked and compared with the module before the first weight is read, so an error leaves the
    module as it was. Tensors are read one at a time straight into their own memory: the peak is the weights
    plus one tensor, and the files may be moved or deleted afterwards.

    Args:
        module: best made within `parameters_on_meta()`; what it holds is replaced.
        files: one file, several shards, or a folder in diffusers' layout.
        dtype: of floating-point weights; None keeps each as it is in the file.
        rename: a name in the files -> the module's name for it, or None to leave that weight out.
        check_finite: look at every floating-point weight, as it will be used, for NaN and infinity.

    Raises:
        WeightsError: nothing was loaded; see its subclasses for the causes.
    """
    places = _places(_paths(files), rename)
    load_places(module, places, dtype=dtype, device=device, check_finite=check_finite)


def load_places(
    module: nn.Module,
    places: Mapping[str, Place],
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    check_finite: bool = False,
) -> None:
    """As `load_strict`, from where each weight lies: name in the module -> its file and its place there."""
    check_places(module, places)
    paths = list(dict.fromkeys(path for path, _ in places.values()))

    state: dict[str, Tensor] = {}
    for path in paths:
        with path.open("rb", buffering=0) as file:
            for name, (its_path, entry) in places.items():
                if its_path == path:
                    tensor = _read(file, entry, path)
                    tensor = tensor.to(dtype) if tensor.is_floating_point() else tensor
                    if check_finite and not _is_finite(tensor):
                        raise NonFiniteWeights(
                            f"{path}: {name!r} has NaN or infinity as {tensor.dtype}; needs finite weights"
                        )
                    state[name] = tensor.to(device)
    module.load_state_dict(state, strict=True, assign=True)
    _settle_buffers(module, device)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file by name, as stored; for adapters, which no module has a place for.

    Raises:
        WeightsError: the file cannot be used, or a tensor has NaN or infinity.
    """
    path = Path(path)
    entries = read_header(path)
    with path.open("rb", buffering=0) as file:
        tensors = {name: _read(file, entry, path) for name, entry in entries.items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not _is_finite(tensor):
            raise NonFiniteWeights(f"{path}: {name!r} has NaN or infinity; needs finite weights")
    return tensors


def read_tensor(path: str | Path, entry: TensorEntry) -> Tensor:
    """One tensor, as it is in the file."""
    with Path(path).open("rb", buffering=0) as file:
        return _read(file, entry, Path(path))


def content_hash(files: str | Path | Iterable[str | Path]) -> str:
    """SHA-256 of the weights, header and data, in hex.

    Of one file it is what `sha256sum` prints and what model sites list. Of several it is the SHA-256 of
    their digests in the given order, so names and folders do not matter. Reads everything, about 1 to 2 s
    per GB, and remembers nothing.

    Args:
        files: as in `load_strict`.
    """
    digests = []
    for path in _paths(files):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def _paths(files: str | Path | Iterable[str | Path]) -> list[Path]:
    if isinstance(files, (str, Path)):
        files = find_weights(files) if Path(files).is_dir() else (files,)
    return [Path(path) for path in files]


def _places(paths: Sequence[Path], rename: Callable[[str], str | None] | None) -> dict[str, Place]:
    """Name in the module -> its file and its place there."""
    places: dict[str, Place] = {}
    for path in paths:
        for source, entry in read_header(path).items():
            name = rename(source) if rename else source
            if name is None:
                continue
            if name in places:
                raise WeightsMismatch(f"{name!r} is given twice, by {places[name][0]} and {path}; needs one")
            places[name] = (path, entry)
    return places


def check_places(module: nn.Module, places: Mapping[str, Place]) -> None:
    """Raises WeightsMismatch unless there is a weight of the right shape for every place, and a place for
    every weight."""
    entries = {name: entry for name, (_, entry) in places.items()}
    paths = list(dict.fromkeys(path for path, _ in places.values()))
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing = [name for name in wanted if name not in entries]
    unknown = [name for name in entries if name not in wanted]
    clashes = [
        f"{name} is {list(entries[name].shape)} and must be {list(shape)}"
        for name, shape in wanted.items()
        if name in entries and entries[name].shape != shape
    ]
    if not (missing or unknown or clashes):
        return
    lines = [f"{', '.join(map(str, paths))} holds weights of another model than {type(module).__name__}"]
    for kind, names in (("missing", missing), ("unknown", unknown), ("of another shape", clashes)):
        if names:
            lines += [f"  {len(names):,} {kind}, the first {min(5, len(names))}:"]
            lines += [f"    {name}" for name in names[:5]]
    raise WeightsMismatch("\n".join(lines))


def _read(file: FileIO, entry: TensorEntry, path: Path) -> Tensor:
    shape = entry.shape[::-1] if entry.is_transposed else entry.shape
    tensor = torch.empty(shape, dtype=entry.dtype)
    view = tensor.reshape(-1).view(torch.uint8).numpy().data
    file.seek(entry.start)
    while view:  # an unbuffered read may give less than asked for
        count = file.readinto(view)
        if not count:
            end = entry.start + entry.num_bytes
            raise TruncatedWeights(path, expected=end, found=end - len(view))
        view = view[count:]
    return tensor.T.contiguous() if entry.is_transposed else tensor


def _is_finite(tensor: Tensor) -> bool:
    tensor = tensor.float() if tensor.itemsize == 1 else tensor  # 8-bit floats lack the operation
    return bool(tensor.isfinite().all())


def _settle_buffers(module: nn.Module, device: str | torch.device) -> None:
    """Moves the buffers that no file holds to `device`."""
    for prefix, owner in module.named_modules():
        for name, buffer in owner.named_buffers(recurse=False):
            if buffer.is_meta:
                raise WeightsError(
                    f"buffer {f'{prefix}.{name}'.lstrip('.')!r} is in no file and was lost on meta; "
                    "make the module within parameters_on_meta()"
                )
            setattr(owner, name, buffer.to(device))
