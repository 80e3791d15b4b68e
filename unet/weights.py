"""Finds weights in a folder in diffusers' layout and loads them strictly: all that fits, or nothing."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unet.header import (
    CONVERT,
    DamagedWeights,
    PickledWeights,
    TensorEntry,
    TruncatedWeights,
    WeightsError,
    read_header,
)

__all__ = [
    "DamagedWeights",
    "NonFiniteWeights",
    "PickledWeights",
    "TruncatedWeights",
    "WeightsError",
    "WeightsMismatch",
    "WeightsNotFound",
    "content_hash",
    "find_weights",
    "load_strict",
    "parameters_on_meta",
    "read_header",
]

DIFFUSERS_STEM = "diffusion_pytorch_model"  # U-Nets and VAEs; transformers' models use "model"
_PICKLE_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})")


class WeightsNotFound(WeightsError):
    """A folder without the weights that were asked for."""


class WeightsMismatch(WeightsError):
    """Weights of another model: names or shapes differ from what the module has."""


class NonFiniteWeights(WeightsError):
    """Weights that contain NaN or infinity."""


def find_weights(
    folder: str | Path, *, stem: str = DIFFUSERS_STEM, variant: str | None = None
) -> tuple[Path, ...]:
    """The safetensors file, or the shards in order, of one model in `folder`.

    Args:
        stem: the files' name without shard, variant and suffix; "model" for transformers' models.
        variant: the word between stem and suffix, such as "fp16".

    Raises:
        WeightsNotFound: there is none, or a shard is missing; says what there is instead.
        PickledWeights: there are only pickles.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise WeightsNotFound(f"{folder} is not a folder; needs one with {stem}.safetensors")
    middle = "" if variant is None else f".{variant}"
    single = folder / f"{stem}{middle}.safetensors"
    if single.is_file():
        return (single,)
    for index in (f"{stem}.safetensors.index{middle}.json", f"{stem}{middle}.safetensors.index.json"):
        if (folder / index).is_file():
            return _files_of_index(folder / index)
    return _shards(folder, stem, variant)


def _files_of_index(index: Path) -> tuple[Path, ...]:
    """The files that an index names: plain names of files beside it."""
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedWeights(f"{index} is no index of weights: {error!r}") from None
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise DamagedWeights(f"{index} names {name!r}; needs the plain name of a .safetensors file")
        if not (index.parent / name).is_file():
            raise WeightsNotFound(f"{index} names {name!r}, which is not there; copy or download it again")
    return tuple(index.parent / name for name in sorted(names))


def _shards(folder: Path, stem: str, variant: str | None) -> tuple[Path, ...]:
    """Shards without an index, or the reason why there is nothing."""
    shards: dict[tuple[int, int], Path] = {}
    variants: set[str] = set()
    for path in folder.iterdir():
        if not path.name.startswith(stem) or path.suffix != ".safetensors":
            continue
        middle = path.name.removeprefix(stem).removesuffix(".safetensors")
        name = _SHARD.sub("", middle).removeprefix(".")
        if name != (variant or ""):
            variants.add(name)
        elif match := _SHARD.search(middle):
            shards[int(match[1]), int(match[2])] = path
    if shards:
        counts = {count for _, count in shards}
        expected = {(number, count) for count in counts for number in range(1, count + 1)}
        if len(counts) > 1 or shards.keys() != expected:
            needed = " or ".join(map(str, sorted(counts)))
            raise WeightsNotFound(f"{folder} has {len(shards)} shards; needs a whole set of {needed}")
        return tuple(shards[key] for key in sorted(shards))
    wanted = stem if variant is None else f"{stem}.{variant}"
    if variants:
        found = ", ".join(repr(name or None) for name in sorted(variants))
        raise WeightsNotFound(f"{folder} has no {wanted}.safetensors; it has variant={found}")
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLE_SUFFIXES)
    if pickles:
        raise PickledWeights(f"{folder} has only pickles ({', '.join(pickles[:5])}), never opened; {CONVERT}")
    raise WeightsNotFound(f"{folder} has no {wanted}.safetensors")


class parameters_on_meta(TorchFunctionMode):
    """Within it, new parameters take no memory and no time; buffers are real.

    `torch.device("meta")` would lose buffers that no weight file holds, such as the position numbers of a
    CLIP text encoder. Parameters are allocated by `torch.empty` and `torch.randn`, buffers by `arange` or
    `tensor`: that is how they are told apart. Concerns this thread only.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.empty, torch.randn, torch.rand):
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


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
        check_finite: read every floating-point weight for NaN and infinity, too (about a tenth more time).

    Raises:
        WeightsError: nothing was loaded; see its subclasses for the causes.
    """
    if isinstance(files, (str, Path)):
        files = find_weights(files) if Path(files).is_dir() else (files,)
    paths = [Path(path) for path in files]
    places = _places(paths, rename)
    _compare(module, {name: entry for name, (_, entry, _) in places.items()}, paths)

    state: dict[str, Tensor] = {}
    for path in paths:
        with path.open("rb", buffering=0) as file:
            for name, (its_path, entry, source) in places.items():
                if its_path != path:
                    continue
                tensor = _read(file, entry, path)
                if check_finite and tensor.is_floating_point() and not tensor.float().isfinite().all():
                    raise NonFiniteWeights(
                        f"{path}: {source!r} contains NaN or infinity; the file is damaged"
                    )
                state[name] = tensor.to(device, dtype if tensor.is_floating_point() else None)
    module.load_state_dict(state, strict=True, assign=True)
    _settle_buffers(module, device)


def _places(
    paths: Sequence[Path], rename: Callable[[str], str | None] | None
) -> dict[str, tuple[Path, TensorEntry, str]]:
    """Name in the module -> file, entry and name in the file."""
    places: dict[str, tuple[Path, TensorEntry, str]] = {}
    for path in paths:
        for source, entry in read_header(path).items():
            name = rename(source) if rename else source
            if name is None:
                continue
            if name in places:
                raise WeightsMismatch(f"{name!r} is given twice, by {places[name][0]} and {path}; needs one")
            places[name] = (path, entry, source)
    return places


def _compare(module: nn.Module, entries: Mapping[str, TensorEntry], paths: Sequence[Path]) -> None:
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
    kinds = (("missing", missing), ("unknown", unknown), ("of another shape", clashes))
    lines = [f"{', '.join(map(str, paths))} holds weights of another model than {type(module).__name__}"]
    for kind, names in kinds:
        if names:
            first = "".join(f"\n    {name}" for name in names[:5])
            lines.append(f"  {len(names):,} {kind}, the first {min(5, len(names))}:{first}")
    raise WeightsMismatch("\n".join(lines))


def _read(file: Any, entry: TensorEntry, path: Path) -> Tensor:
    tensor = torch.empty(entry.shape, dtype=entry.dtype)
    if entry.num_bytes == 0:
        return tensor
    view = memoryview(tensor.reshape(-1).view(torch.uint8).numpy())
    file.seek(entry.start)
    while view:  # an unbuffered read may give less than asked for
        count = file.readinto(view)
        if not count:
            end = entry.start + entry.num_bytes
            raise TruncatedWeights(path, expected=end, found=end - len(view))
        view = view[count:]
    return tensor


def _settle_buffers(module: nn.Module, device: str | torch.device) -> None:
    """Moves the buffers that no file holds to `device`."""
    for prefix, owner in module.named_modules():
        for name, buffer in owner.named_buffers(recurse=False):
            if buffer.is_meta:
                raise WeightsError(
                    f"buffer {f'{prefix}.{name}'.lstrip('.')!r} is in no file and was lost on meta; "
                    "make the module within parameters_on_meta()"
                )
            owner._buffers[name] = buffer.to(device)


def content_hash(files: Iterable[str | Path]) -> str:
    """SHA-256 of the weights, header and data, in hex.

    Of one file it is what `sha256sum` prints and what model sites list. Of several it is the SHA-256 of
    their digests in the given order, so names and folders do not matter. Reads everything, about 1 to 2 s
    per GB, and remembers nothing.
    """
    digests = []
    for path in files:
        with Path(path).open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()
