"""The scale of an adapter's factors, from the file or from PEFT's configuration in its folder."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limelight.files import UnreadableFile, parse_json, read_bytes
from limelight.pipeline.adapters.lora_names import Place
from limelight.pipeline.errors import AdapterError

_METADATA = "lora_adapter_metadata"  # diffusers' key in the notes: PEFT's configuration of every part
_MAX_BYTES = 2**20
_PARTS = ("text_encoder_2", "text_encoder", "unet")


@dataclass(frozen=True, slots=True)
class Scales:
    """PEFT's configurations by part. Without a configuration, alpha equals the rank.

    Source: Hu et al. 2021, arXiv:2106.09685, section 4.1; Kalajdzievski 2023, arXiv:2312.03732, for rsLoRA.
    """

    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def uses_dora(self) -> bool:
        return any(config.get("use_dora") for config in self.configs.values())

    def of(self, place: Place, rank: int | None, alpha: float | None) -> float:
        """The factor of the product.

        Args:
            rank: None if the matrices have no factors.
            alpha: the value stored with the factors, which takes precedence over configurations.
        """
        config = self.configs.get(place.part) or self.configs.get("", {})
        if rank is None:  # PEFT scales these too, others do not
            rank, alpha = config.get("r"), None
        if rank is None:
            return 1.0
        if alpha is None:
            alpha = float(config.get("lora_alpha", config.get("alpha", rank)))
            for pattern, value in (config.get("alpha_pattern") or {}).items():
                if _matches(pattern, place.module):
                    alpha = float(value)
                    break
        return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def read_scales(path: Path, notes: Mapping[str, str]) -> Scales:
    """The scales that the file, or an `adapter_config.json` in its folder, defines.

    Args:
        notes: the file's metadata.

    Raises:
        AdapterError: the configuration cannot be read, or is invalid.
    """
    config_file = path.parent / "adapter_config.json"
    content, source = notes.get(_METADATA, "").encode("utf-8", "replace"), path
    try:
        if _METADATA not in notes:
            if path.name != "adapter_model.safetensors":
                return Scales()
            content, source = read_bytes(config_file, max_bytes=_MAX_BYTES), config_file
        values = parse_json(content, name=f"{source}: the configuration of the LoRA")
    except FileNotFoundError:
        return Scales()
    except UnreadableFile as error:
        raise AdapterError(str(error)) from None
    if not isinstance(values, dict):
        raise AdapterError(
            f"{source}: the configuration of the LoRA is a {type(values).__name__}; must be an object"
        )
    configs: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        part = next((part for part in _PARTS if key.startswith(f"{part}.")), "")
        configs.setdefault(part, {})[key.removeprefix(f"{part}.") if part else key] = value
    for config in configs.values():
        _check(source, config)
    return Scales(configs)


def _matches(pattern: str, module: str) -> bool:
    """Whether a name in `alpha_pattern` means a module: the end of its name, or after `^` the whole name."""
    name = pattern.replace("\\.", ".").removesuffix("$")
    if name.startswith("^"):
        return module == name[1:]
    return module == name or module.endswith(f".{name}")


def _check(source: Path, config: Mapping[str, Any]) -> None:
    patterns = config.get("alpha_pattern") or {}
    if not isinstance(patterns, dict) or not all(map(_is_name, patterns)):
        raise AdapterError(f"{source}: alpha_pattern is {_brief(patterns)}; must have the names of modules")
    alphas = [config[key] for key in ("lora_alpha", "alpha") if key in config]
    for alpha in (*alphas, *patterns.values()):
        if not _is_finite(alpha):
            raise AdapterError(f"{source}: alpha is {_brief(alpha)}; must be a finite number")
    rank = config.get("r")
    if rank is not None and (type(rank) is not int or not 0 < rank < 2**20):
        raise AdapterError(f"{source}: r is {_brief(rank)}; must be a whole number above 0")


def _is_name(pattern: str) -> bool:
    """Whether a pattern is a module's name. PEFT accepts regular expressions, but files contain names."""
    name = pattern.removeprefix("^").removesuffix("$").replace("\\.", ".")
    return bool(name) and all(c.isalnum() or c in "._" for c in name)


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def _brief(value: Any) -> str:
    if isinstance(value, int) and not _is_finite(value):
        return "a number of hundreds of digits"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
