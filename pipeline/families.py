"""The families of models. A model's family follows from its configuration, never from its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TextKind = Literal["clip", "open_clip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleFile:
    """The values of a family that the weights in a single file do not show.

    Attributes:
        linear_projection, added, attends_at_the_bottom: properties of the U-Net that identify the family.
            None matches both values.
        text: the types of the text encoders, in order.
        text_layers: how many layers of a text encoder are read; None reads all.
        num_heads, head_dim: those of every attention layer; one of them is fixed.
        sample_size: size of the latents that the model was trained on, for each prediction type.
        num_sizes: sizes that are embedded together with the pooled text.
        scaling_factor: the factor from the VAE's latents to the U-Net's.
        scheduler: a diffusers class.
        zero_empty_negative: whether an empty negative prompt is encoded as zeros.
    """

    linear_projection: bool
    added: bool
    attends_at_the_bottom: bool | None = None
    text: tuple[TextKind, ...]
    text_layers: int | None = None
    num_heads: int | None = None
    head_dim: int | None = None
    sample_size: Mapping[str, int]
    num_sizes: int = 0
    scaling_factor: float = 0.18215
    scheduler: str
    zero_empty_negative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of models: the defaults of requests, and how the text reaches the U-Net.

    Attributes:
        context_dim: width of the text embeddings, which identifies the family.
        num_text_encoders: 1, or 2 whose embeddings are concatenated (SDXL).
        penultimate: whether the context is the second to last hidden state.
        guidance_scale: the scale that its authors recommend.
        finest_maps: whether maps of the finest grid alone measured best; otherwise all grids but the coarsest
            are averaged. It applies to models without a measurement of their own.
        single_file: for families whose models are distributed as single files.
    """

    name: str
    context_dim: int
    num_text_encoders: int = 1
    penultimate: bool = False
    guidance_scale: float = 7.5
    finest_maps: bool = False
    single_file: SingleFile | None = None


FAMILIES = (
    Family(name="limelight", context_dim=256, guidance_scale=3.0, finest_maps=True),
    Family(
        name="sd1",
        context_dim=768,
        single_file=SingleFile(
            linear_projection=False,
            added=False,
            text=("clip",),
            num_heads=8,
            sample_size={"epsilon": 64, "v_prediction": 64},
            scheduler="PNDMScheduler",
        ),
    ),
    Family(
        name="sd2",
        context_dim=1024,
        single_file=SingleFile(
            linear_projection=True,
            added=False,
            text=("open_clip",),
            text_layers=23,  # its context is the second to last of 24 layers, with the final norm
            head_dim=64,
            sample_size={"epsilon": 64, "v_prediction": 96},
            scheduler="DDIMScheduler",
        ),
    ),
    Family(
        name="sdxl",
        context_dim=2048,
        num_text_encoders=2,
        penultimate=True,
        guidance_scale=5.0,
        single_file=SingleFile(
            linear_projection=True,
            added=True,
            attends_at_the_bottom=True,
            text=("clip", "open_clip"),
            head_dim=64,
            sample_size={"epsilon": 128, "v_prediction": 128},
            num_sizes=6,
            scaling_factor=0.13025,
            scheduler="EulerDiscreteScheduler",
            zero_empty_negative=True,
        ),
    ),
    Family(
        name="sdxl-refiner",
        context_dim=1280,
        penultimate=True,
        guidance_scale=5.0,
        single_file=SingleFile(
            linear_projection=True,
            added=True,
            attends_at_the_bottom=False,
            text=("open_clip",),
            head_dim=64,
            sample_size={"epsilon": 128, "v_prediction": 128},
            num_sizes=5,
            scaling_factor=0.13025,
            scheduler="EulerDiscreteScheduler",
        ),
    ),
)


def family_of(width: int, num_text_encoders: int, *, added: bool) -> Family:
    """The family of a U-Net; for an unknown width, a family with the behaviour of SDXL or SD1.

    Args:
        width: width of its context.
        num_text_encoders: distinguishes SDXL from its refiner if the width does not.
        added: whether it also takes pooled text and sizes.
    """
    if added:
        rows = [family for family in FAMILIES if family.single_file and family.single_file.added]
        alike = [family for family in rows if family.num_text_encoders == num_text_encoders]
        return next((family for family in rows if family.context_dim == width), (alike or rows)[0])
    known = {f.context_dim: f for f in FAMILIES if not (f.single_file and f.single_file.added)}
    return known.get(width, Family(name=f"sd-{width}", context_dim=width))
