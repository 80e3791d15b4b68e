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
            alpha = float(_pattern(config.get("alpha_pattern"), place.module, config.get("lora_alpha", rank)))
        return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _pattern(patterns: Any, module: str, default: Any) -> Any:
    """The value of the first pattern that ends in, or matches the end of, a module's name, as PEFT has it."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default


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
        assert isinstance(values, dict)
        configs: dict[str, dict[str, Any]] = {}
        for key, value in values.items():
            part = next((part for part in _PARTS if key.startswith(f"{part}.")), "")
            configs.setdefault(part, {})[key.removeprefix(f"{part}.") if part else key] = value
    except (ValueError, AssertionError, RecursionError) as error:
        raise AdapterError(f"{source}: the configuration of the LoRA is not valid JSON: {error}") from None
    for config in configs.values():
        if config.get("use_dora"):
            raise AdapterError(f"{source} is DoRA, which is not supported: use_dora; only LoRA is")
    return Scales(configs)
