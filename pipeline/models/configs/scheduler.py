"""Reads the configuration of a scheduler, as diffusers writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.configs.schema import (
    Check,
    checked,
    flag,
    list_of,
    number,
    one_of,
    optional,
    read_object,
    whole,
)

_MAX_TIMESTEPS = 10_000  # models have 1000
_BETA = number(0, 1, above=True)
_SIGMA = optional(number(0, 1e6))
_SCHEMA: Mapping[str, Check] = {
    "num_train_timesteps": whole(1, _MAX_TIMESTEPS),
    "beta_start": _BETA,
    "beta_end": _BETA,
    "beta_schedule": one_of("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "exp"),
    "trained_betas": optional(list_of(_BETA, 1, _MAX_TIMESTEPS)),
    "prediction_type": one_of("epsilon", "v_prediction", "sample"),
    "timestep_spacing": one_of("leading", "trailing", "linspace"),
    "steps_offset": whole(0, _MAX_TIMESTEPS),
    "rescale_betas_zero_snr": flag,
    "clip_sample": flag,
    "clip_sample_range": number(0, 1e6, above=True),
    "thresholding": flag,
    "dynamic_thresholding_ratio": number(0, 1),
    "sample_max_value": number(0, 1e6, above=True),
    "set_alpha_to_one": flag,
    "skip_prk_steps": flag,
    "variance_type": optional(one_of("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log")),
    "interpolation_type": one_of("linear", "log_linear"),
    "timestep_type": one_of("discrete", "continuous"),
    "use_karras_sigmas": optional(flag),
    "use_exponential_sigmas": optional(flag),
    "use_beta_sigmas": optional(flag),
    "use_lu_lambdas": optional(flag),
    "use_flow_sigmas": optional(flag),
    "flow_shift": optional(number(0, 1e6)),
    "final_sigmas_type": optional(one_of("zero", "sigma_min")),
    "sigma_min": _SIGMA,
    "sigma_max": _SIGMA,
    "sigma_data": number(0, 1e6, above=True),
    "sigma_schedule": one_of("karras", "exponential"),
    "rho": number(0, 100, above=True),
    "solver_order": whole(1, 3),
    "solver_type": one_of("midpoint", "heun", "logrho", "bh1", "bh2"),
    "algorithm_type": one_of("dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "deis"),
    "lower_order_final": flag,
    "euler_at_final": flag,
    "lambda_min_clipped": number(-1e6, 1e6, endless=True),
    "predict_x0": flag,
    "disable_corrector": list_of(whole(0, _MAX_TIMESTEPS), 0, _MAX_TIMESTEPS),
    "predictor_order": whole(1, 3),
    "corrector_order": whole(1, 4),
    "original_inference_steps": whole(1, _MAX_TIMESTEPS),
    "timestep_scaling": number(0, 1e6, above=True),
    "noise_sampler_seed": optional(whole(0, 2**63 - 1)),
}


def read_scheduler_config(path: Path) -> dict[str, Any]:
    """The arguments of a diffusers scheduler, and its class as `_class_name`.

    Raises:
        ModelError: the file is not the configuration of a scheduler.
    """
    content = read_object(path)
    config = checked(path, content, _SCHEMA)
    name = content.get("_class_name")
    if not isinstance(name, str) or not name.isidentifier() or len(name) > 100:
        raise ModelError(f"{path} does not name its class; a scheduler's configuration has _class_name")
    betas, count = config.get("trained_betas"), config.get("num_train_timesteps", 1000)
    if betas is not None and len(betas) != count:
        raise ModelError(f"{path}: trained_betas has {len(betas)} values; num_train_timesteps is {count}")
    if config.get("beta_start", 0) > config.get("beta_end", 1):
        raise ModelError(
            f"{path}: beta_start is {config['beta_start']} and beta_end {config['beta_end']}; "
            "the start must not be larger"
        )
    if config.get("original_inference_steps", 1) > count:
        raise ModelError(
            f"{path}: original_inference_steps is {config['original_inference_steps']}; at most "
            f"num_train_timesteps, {count}"
        )
    if config.get("use_flow_sigmas"):
        raise ModelError(f"{path}: use_flow_sigmas is true, for models of another kind; supported: false")
    for key in ("sigma_min", "sigma_max"):
        if str(name).startswith("EDM") and config.get(key, 1) is None:
            del config[key]
    if config.get("sigma_min") and config.get("sigma_max") and config["sigma_min"] >= config["sigma_max"]:
        raise ModelError(
            f"{path}: sigma_min is {config['sigma_min']} and sigma_max {config['sigma_max']}; "
            "the first must be smaller"
        )
    return config | {"_class_name": name}
