"""How strongly a LoRA was trained to act, where its tensors do not say it."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import AdapterError
from pipeline.lora_names import Place
from unet.weights import read_header_and_notes

_METADATA = "lora_adapter_metadata"  # diffusers' key beside the tensors: PEFT's configuration of every part
_MODULE = re.compile(r"[\w.]+")  # PEFT takes regular expressions, and files have names of modules
_PARTS = ("text_encoder_2", "text_encoder", "unet")


@dataclass(frozen=True, slots=True)
class Scales:
    """PEFT's configurations, by part; empty where the file has none, and alpha is then the rank.

    Source: Hu et al. 2021, arXiv:2106.09685, section 4.1; Kalajdzievski 2023, arXiv:2312.03732, for rsLoRA.
    """

    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, place: Place, rank: int, alpha: float | None) -> float:
        """What the product of both factors is multiplied with.

        Args:
            alpha: as stored beside the factors, which goes before every configuration.
        """
        config = self.configs.get(place.part) or self.configs.get("", {})
        if alpha is None:
            alpha = float(config.get("lora_alpha", rank))
            for pattern, value in (config.get("alpha_pattern") or {}).items():
                if place.module == pattern or place.module.endswith(f".{pattern}"):
                    alpha = float(value)
                    break
        return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def read_scales(path: Path) -> Scales:
    """What the file, or an `adapter_config.json` beside it, says of the scale.

    Raises:
        AdapterError: it cannot be read, or asks for something else than LoRA.
    """
    beside = path.parent / "adapter_config.json"
    text = read_header_and_notes(path)[1].get(_METADATA)
    if text is None and path.name == "adapter_model.safetensors" and beside.is_file():
        text, source = beside.read_text(encoding="utf-8"), beside
    else:
        source = path
    if text is None:
        return Scales()
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{source}: the configuration of the LoRA is not valid JSON: {error}") from None
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


def _check(source: Path, config: Mapping[str, Any]) -> None:
    if config.get("use_dora"):
        raise AdapterError(f"{source} is DoRA, which is not supported: use_dora; only LoRA is")
    patterns = config.get("alpha_pattern") or {}
    if not isinstance(patterns, dict) or not all(_MODULE.fullmatch(pattern) for pattern in patterns):
        raise AdapterError(f"{source}: alpha_pattern is {patterns!r}; must have the names of modules")
    for alpha in (config.get("lora_alpha", 1), *patterns.values()):
        if not isinstance(alpha, int | float) or not math.isfinite(alpha):
            raise AdapterError(f"{source}: alpha is {alpha!r}; must be a finite number")
