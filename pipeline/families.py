"""The families of models, as rows of facts; a model's is read off its configuration, never off its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a request's open fields become, and how the text is put to the U-Net.

    Attributes:
        context_dim: width of the text embeddings; tells the family.
        num_text_encoders: 1, or 2 side by side (SDXL).
        penultimate: the context is the last hidden state but one.
        guidance_scale: the scale its makers recommend.
    """

    name: str
    context_dim: int
    num_text_encoders: int = 1
    penultimate: bool = False
    guidance_scale: float = 7.5


FAMILIES = (
    Family(name="limelight", context_dim=256, guidance_scale=4.0),
    Family(name="sd1", context_dim=768),
    Family(name="sd2", context_dim=1024),
    Family(name="sdxl", context_dim=2048, num_text_encoders=2, penultimate=True, guidance_scale=5.0),
)


def family_of(unet_config: Mapping[str, Any]) -> Family:
    """The family of a U-Net; for a width that no known family has, a row with SD1's ways.

    Args:
        unet_config: a diffusers `config.json` of the U-Net.
    """
    width = unet_config["cross_attention_dim"]
    if unet_config.get("addition_embed_type") == "text_time":
        return next(family for family in FAMILIES if family.name == "sdxl")
    known = {family.context_dim: family for family in FAMILIES}
    return known.get(width, Family(name=f"sd-{width}", context_dim=width))
