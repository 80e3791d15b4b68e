"""The scheduler that a checkpoint in one file is drawn with, as a diffusers `scheduler_config.json`."""

from typing import Any

from pipeline.families import SingleFile
from pipeline.single_file.prediction import Prediction

_SCHEDULES: dict[str, dict[str, Any]] = {
    "PNDMScheduler": {"skip_prk_steps": True, "set_alpha_to_one": False},
    "DDIMScheduler": {"clip_sample": False, "set_alpha_to_one": False},
    "EulerDiscreteScheduler": {"interpolation_type": "linear", "use_karras_sigmas": False},
}


def scheduler_config(facts: SingleFile, prediction: Prediction) -> dict[str, Any]:
    """The schedule that every Stable Diffusion was trained on, and the way through it that is usual."""
    cls = facts.scheduler
    if prediction.zero_snr and cls == "PNDMScheduler":  # it has no terminal SNR of zero
        cls = "DDIMScheduler"
    config = {
        "_class_name": cls,
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "trained_betas": None,
        "prediction_type": prediction.type,
        "timestep_spacing": "leading",
        "steps_offset": 1,
        **_SCHEDULES[cls],
    }
    if prediction.zero_snr:  # Lin et al. 2023, arXiv:2305.08891, sections 3.1 and 3.3
        config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return config
