"""The fields of a request as type checkers and editors see them."""

from typing import TypedDict

from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.requests.input_latents import LatentSource
from limelight.pipeline.requests.steering import HeadScale, Painted, Region, WordScale
from limelight.pipeline.requests.values import Record, Source, SyntaxName


class RequestFields(TypedDict, total=False):
    """The fields that `pipe(prompt, **fields)` takes, for type checkers and editors."""

    negative_prompt: str
    seed: int
    num_steps: int
    guidance_scale: float | None
    scheduler: str | None
    width: int | None
    height: int | None
    image: Source | None
    mask: Source | None
    strength: float | None
    image_guidance_scale: float | None
    hires_scale: float | None
    hires_strength: float | None
    enlarge: int | None
    clip_skip: int
    prompt_syntax: SyntaxName
    guidance_rescale: float
    guidance_start: float
    guidance_end: float
    lossy_cache_interval: int
    paint: tuple[Painted, ...]
    regions: tuple[Region, ...]
    heads: tuple[HeadScale, ...]
    pag_scale: float
    seg_scale: float
    freeu: tuple[float, float, float, float] | None
    pladis: float
    pick: int
    scale_words: tuple[WordScale, ...]
    edit_of: str | None
    keep: tuple[float, float]
    blend_words: tuple[str, ...]
    blend: tuple[float, float]
    record: Record
    record_extras: tuple[str, ...]
    record_points: tuple[tuple[int, int], ...]
    record_queries: tuple[int, ...]
    expansion: Expansion | None
    timesteps: tuple[int, ...]
    sigmas: tuple[float, ...]
    eta: float
    latents: LatentSource | None
    denoising_start: float | None
    denoising_end: float | None
    original_size: tuple[int, int] | None
    crops_coords_top_left: tuple[int, int] | None
    target_size: tuple[int, int] | None
    aesthetic_score: float | None
    negative_aesthetic_score: float | None
    padding_mask_crop: int | None
