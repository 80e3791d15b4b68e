"""Checks the types of values in a diffusers config; an error names the key."""

from collections.abc import Mapping, Sequence
from typing import Any

from limelight.unet.config.errors import UNetConfigError

_KINDS = {int: "whole numbers", bool: "true or false"}


def per_level(key: str, value: Any, num_levels: int, *, kind: type = int, nested: bool = False) -> list[Any]:
    """`value` once per level; a list has one entry per level already."""
    entries = list(value) if isinstance(value, (list, tuple)) else [value] * num_levels
    if len(entries) != num_levels:
        raise UNetConfigError(f"{key} has {len(entries)} entries; block_out_channels has {num_levels}")
    if not all(type(one) is kind or (nested and isinstance(one, (list, tuple)) and one) for one in entries):
        raise UNetConfigError(f"{key} is {value!r}; needs {_KINDS[kind]}")
    return entries


def per_layer(key: str, depth: Any, num_layers: int) -> tuple[int, ...]:
    """`depth` once per attention layer of a level."""
    if isinstance(depth, int):
        return (depth,) * num_layers
    if len(depth) != num_layers:
        raise UNetConfigError(f"{key} has {depth}; this level has {num_layers} attention layers")
    return integers(key, depth)


def types_per_level(key: str, c: Mapping[str, Any], num_levels: int) -> Sequence[Any]:
    types = c[key]
    if not isinstance(types, (list, tuple)) or len(types) != num_levels:
        raise UNetConfigError(f"{key} is {types!r}; needs a list of {num_levels}, as block_out_channels has")
    return types


def choice(key: str, value: Any, meanings: Mapping[Any, Any]) -> Any:
    if not isinstance(value, (str, type(None))) or value not in meanings:
        raise UNetConfigError(f"{key} is {value!r}; supported: {' or '.join(repr(one) for one in meanings)}")
    return meanings[value]


def integers(key: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise UNetConfigError(f"{key} is {value!r}; needs a list of whole numbers")
    return tuple(integer(key, one) for one in value)


def integer(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UNetConfigError(f"{key} is {value!r}; needs a whole number")
    return value


def optional_integer(key: str, value: Any) -> int | None:
    return None if value is None else integer(key, value)


def number(key: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise UNetConfigError(f"{key} is {value!r}; needs a number")
    return float(value)


def boolean(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UNetConfigError(f"{key} is {value!r}; needs true or false")
    return value


def sample_size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    size = integers("sample_size", value if isinstance(value, (list, tuple)) else [value, value])
    if len(size) != 2:
        raise UNetConfigError(f"sample_size is {value!r}; needs one number or two")
    return (size[0], size[1])
