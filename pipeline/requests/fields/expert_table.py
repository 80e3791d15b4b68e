"""The fields of a request that diffusers' pipelines have and few pictures need, in order."""

from collections.abc import Mapping

from limelight.pipeline.requests.fields.field import MAX_SIDE, MAX_STEPS, Field
from limelight.pipeline.requests.fields.latent_value import LatentValue
from limelight.pipeline.requests.fields.numbers import Falling, Pair
from limelight.pipeline.requests.values import Number, Whole

MAX_TIMESTEP = 999
MAX_SIGMA = 10_000.0  # more than any schedule begins with
MAX_SCORE = 10.0  # of LAION's aesthetic predictor

TABLE: Mapping[str, Field] = {
    "timesteps": Field(
        Falling(Whole(0, MAX_TIMESTEP), MAX_STEPS),
        "Timesteps",
        "A schedule of your own, in place of --steps",
        option="--timesteps",
    ),
    "sigmas": Field(
        Falling(Number(0, MAX_SIGMA), MAX_STEPS + 1),
        "Sigmas",
        "A schedule of your own by its noise levels, in place of --steps; the last is the level at the end",
        option="--sigmas",
    ),
    "eta": Field(
        Number(0, 1),
        "Eta",
        "Noise that ddim and tcd add at each step; 0 adds none",
        option="--eta",
    ),
    "latents": Field(LatentValue(), "Latents", "Where sampling begins, in place of the seed's noise"),
    "denoising_start": Field(
        Number(0, 1),
        "Denoising from",
        "The part of the noise that another model has taken away from latents",
        needs="latents",
    ),
    "denoising_end": Field(
        Number(0, 1), "Denoising to", "The part of the noise to take away; another model goes on"
    ),
    "original_size": Field(
        Pair(Whole(0, MAX_SIDE), "height", "width"),
        "Original size",
        "For SDXL: the size that a training image of such quality had; the picture's own if omitted",
        option="--original-size",
    ),
    "crops_coords_top_left": Field(
        Pair(Whole(0, MAX_SIDE), "top", "left"),
        "Crop",
        "For SDXL: how much was cut off of a training image of such composition",
        option="--crop",
    ),
    "target_size": Field(
        Pair(Whole(0, MAX_SIDE), "height", "width"),
        "Target size",
        "For SDXL: the size that it was made; the picture's own if omitted",
        option="--target-size",
    ),
    "aesthetic_score": Field(
        Number(0, MAX_SCORE),
        "Aesthetic score",
        "For SDXL's refiner: how much the picture shall please",
        option="--aesthetic-score",
    ),
    "negative_aesthetic_score": Field(
        Number(0, MAX_SCORE),
        "Negative aesthetic score",
        "For SDXL's refiner: the score of what it shall keep away from",
        option="--negative-aesthetic-score",
    ),
    "padding_mask_crop": Field(
        Whole(0, MAX_SIDE),
        "Masked part only",
        "Draw only the masked part of the image and so many pixels around it, at the size asked for",
        option="--padding-mask-crop",
        needs="mask",
    ),
}
