"""The families of models, as rows of facts; a model's is read off its configuration, never off its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TextKind = Literal["clip", "open_clip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleFile:
    """What a family's checkpoints in one file leave unsaid, because no weight shows it.

    Attributes:
        linear_projection, added, attends_at_the_bottom: of its U-Net; they tell the family. None: either.
        text: the text encoders' kinds, in order.
        text_layers: how many of a text encoder's layers are read; None reads all.
        num_heads, head_dim: of every attention layer; one of them is fixed.
        sample_size: of the latents it was trained on, for each prediction type.
        num_sizes: sizes that are embedded beside the pooled text.
        scaling_factor: latents are the VAE's, times this.
        scheduler: a diffusers class.
        zero_empty_negative: an empty negative prompt is zeros.
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
    """What a request's open fields become, and how the text is put to the U-Net.

    Attributes:
        context_dim: width of the text embeddings; tells the family.
        num_text_encoders: 1, or 2 side by side (SDXL).
        penultimate: the context is the last hidden state but one.
        guidance_scale: the scale its makers recommend.
        finest_maps: whether the finest grid's maps measured best, for models that do not say what does;
            otherwise all grids but the coarsest are averaged.
        single_file: for families whose models are passed around as single files.
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
            text_layers=23,  # its context is the last layer but one of 24, with the final norm
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
    """The family of a U-Net; for a width that no known family has, a row with SDXL's or SD1's ways.

    Args:
        width: of the context that it takes.
        num_text_encoders: tells SDXL from its refiner where the width does not.
        added: it takes pooled text and sizes too.
    """
    if added:
        rows = [family for family in FAMILIES if family.single_file and family.single_file.added]
        alike = [family for family in rows if family.num_text_encoders == num_text_encoders]
        return next((family for family in rows if family.context_dim == width), (alike or rows)[0])
    known = {f.context_dim: f for f in FAMILIES if not (f.single_file and f.single_file.added)}
    return known.get(width, Family(name=f"sd-{width}", context_dim=width))
