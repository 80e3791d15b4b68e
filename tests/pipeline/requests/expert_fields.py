"""Where the fields that few pictures need are used: the files that may name them, outside their table."""

_PASSES = ("pipeline/sampling/passes.py",)
_SIZES = ("pipeline/sampling/passes.py", "pipeline/sampling/predict.py")  # SDXL's conditioning
_MASKED = "pipeline/sampling/masked_part.py"  # draws a part of an image at a size of its own

USED: dict[str, tuple[str, ...]] = {
    "timesteps": (
        "pipeline/sampling/firm.py",
        "pipeline/sampling/predict.py",
        *_PASSES,
    ),
    "sigmas": _PASSES,
    "eta": (*_PASSES, "pipeline/sampling/passes.py", "pipeline/sampling/sampler.py"),
    "latents": (*_PASSES, "pipeline/sampling/passes.py"),
    "denoising_start": _PASSES,
    "denoising_end": _PASSES,
    "original_size": _SIZES,
    "crops_coords_top_left": _SIZES,
    "target_size": _SIZES,
    "aesthetic_score": _SIZES,
    "negative_aesthetic_score": _SIZES,
    "padding_mask_crop": (
        _MASKED,
        "pipeline/sampling/engine.py",
        "app/commands/usual_size.py",  # has a size of its own
        "app/commands/word_mask.py",
    ),
}
