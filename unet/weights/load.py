"""Loads weights strictly: the weights and the parameters of the module must match one to one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from limelight.unet.weights.header import (
    WeightsError,
    read_header,
)
from limelight.unet.weights.tensors import (
    Place,
    paths_of,
    read_places,
    require_finite,
)


class WeightsMismatch(WeightsError):
    """Weights of another model: their names or shapes differ from those of the module."""


class _ParametersOnMeta(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.empty, torch.randn, torch.rand):
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def parameters_on_meta() -> AbstractContextManager[Any]:
    """Inside this context new parameters are on the meta device, without memory; buffers are real.

    `torch.device("meta")` would lose buffers that no weight file holds, such as the position numbers of a
    CLIP text encoder. Here the functions that allocate parameters (`torch.empty`, `randn`, `rand`) use the
    meta device, and those that allocate buffers (`arange`, `zeros`, `tensor`) do not. Only this thread is
    affected.
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
    """Loads the weights of `files` into `module`; weights and parameters must match one to one.

    Headers are checked and compared with the module before the first weight is read, so an error leaves the
    module unchanged. Tensors are read directly into their final memory: the peak is the size of the weights
    and a few megabytes. The files may be moved or deleted afterwards.

    Args:
        module: best made within `parameters_on_meta()`; its parameters are replaced.
        files: one file, several shards, or a folder in diffusers' layout.
        dtype: dtype of floating-point weights; None keeps that of the file.
        rename: a name in the files -> the module's name for it, or None to leave that weight out.
        check_finite: whether to refuse floating-point weights with NaN or infinity.

    Raises:
        WeightsError: nothing was loaded; see its subclasses for the causes.
    """
    places = _places(paths_of(files), rename)
    load_places(module, places, dtype=dtype, device=device, check_finite=check_finite)


def load_places(
    module: nn.Module,
    places: Mapping[str, Place],
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    check_finite: bool = False,
) -> None:
    """As `load_strict`, from a location for each weight: name in the module -> its file and its entry there.

    On a CPU, filters of convolutions are stored channels last.
    """
    check_places(module, places)
    is_cpu = torch.device(device).type == "cpu"  # where convolutions are faster in this order
    state = read_places(places, dtype=dtype, device=device, channels_last=is_cpu)
    if check_finite:
        for name, tensor in state.items():
            require_finite(tensor, name, places[name][0])
    module.load_state_dict(state, strict=True, assign=True)
    _settle_buffers(module, device)


def _places(paths: Sequence[Path], rename: Callable[[str], str | None] | None) -> dict[str, Place]:
    """Name in the module -> its file and its entry there."""
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
    """Raises WeightsMismatch unless weights and parameters match one to one, in names and shapes."""
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
