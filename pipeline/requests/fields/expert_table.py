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
        "Timesteps to step through, in place of --steps",
        option="--timesteps",
    ),
    "sigmas": Field(
        Falling(Number(0, MAX_SIGMA), MAX_STEPS + 1),
        "Sigmas",
        "Noise levels to step through, in place of --steps; the last is that of the finished picture",
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
        "Fraction of the noise that another model has already removed from latents",
        needs="latents",
    ),
    "denoising_end": Field(
        Number(0, 1), "Denoising to", "Fraction of the noise to remove; another model removes the rest"
    ),
    "original_size": Field(
        Pair(Whole(0, MAX_SIDE), "height", "width"),
        "Original size",
        "For SDXL: draw as if from a training image of this size; the picture's own size if omitted",
        option="--original-size",
    ),
    "crops_coords_top_left": Field(
        Pair(Whole(0, MAX_SIDE), "top", "left"),
        "Crop",
        "For SDXL: draw as if these pixels had been cut off; none if omitted",
        option="--crop",
    ),
    "target_size": Field(
        Pair(Whole(0, MAX_SIDE), "height", "width"),
        "Target size",
        "For SDXL: draw as if scaled to this size; the picture's own size if omitted",
        option="--target-size",
    ),
    "aesthetic_score": Field(
        Number(0, MAX_SCORE),
        "Aesthetic score",
        "For SDXL's refiner: the aesthetic score to aim at; 6 if omitted",
        option="--aesthetic-score",
    ),
    "negative_aesthetic_score": Field(
        Number(0, MAX_SCORE),
        "Negative aesthetic score",
        "For SDXL's refiner: the aesthetic score to stay away from; 2.5 if omitted",
        option="--negative-aesthetic-score",
    ),
    "padding_mask_crop": Field(
        Whole(0, MAX_SIDE),
        "Masked part only",
        "Draw only the masked part of the image, with this many pixels around it, at the size asked for",
        option="--padding-mask-crop",
        needs="mask",
    ),
}
